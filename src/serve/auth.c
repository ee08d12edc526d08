/* auth.c - bearer tokens and basic authentication (RFC 6750, RFC 7617).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/auth.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/random.h"
#include "base/sha256.h"
#include "serve/auth_file.h"
#include "text/base64.h"

enum {
    HEADER_BYTES_MAX = 4096,
    VERIFIED_MAX = 256,
    WAITERS_MAX = 16, /* for PBKDF2: a part of the workers, not all */
    KEY_BYTES = 32,
};

/* A header that was found right, by its keyed hash. */
struct verified {
    unsigned char digest[TJ_SHA256_BYTES];
    size_t entry;
};

struct tj_auth {
    char *path;
    unsigned char key[KEY_BYTES];
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t idle;  /* nobody verifies */
    struct tj_arena arena;
    tj_auth_entries entries;
    bool required;
    unsigned generation; /* of entries */
    struct stat seen;
    struct verified verified[VERIFIED_MAX];
    size_t verified_count;
    size_t verified_next; /* overwritten when it is full */
    bool verifying;
    unsigned waiters;
};

/* -- the file ------------------------------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool tj_auth_refresh(struct tj_auth *auth, bool *changed, struct tj_err *err)
{
    struct stat now = {0};
    struct tj_arena fresh = {0};
    tj_auth_entries entries;
    *changed = false;
    if (!auth->path)
        return true;
    if (stat(auth->path, &now) != 0)
        now = (struct stat){.st_size = errno == ENOENT ? 0 : -1};
    if (same_file(&now, &auth->seen))
        return true;
    auth->seen = now; /* an error is told once and not every second */
    if (!tj_auth_file_read(auth->path, &fresh, &entries, err)) {
        tj_arena_release(&fresh);
        return false;
    }
    *changed = true;
    (void)pthread_mutex_lock(&auth->lock);
    struct tj_arena old = auth->arena;
    auth->arena = fresh;
    auth->entries = entries;
    auth->required = auth->required || entries.count > 0;
    auth->generation++;
    auth->verified_count = 0;
    auth->verified_next = 0;
    (void)pthread_mutex_unlock(&auth->lock);
    tj_arena_release(&old);
    return true;
}

bool tj_auth_open(const char *path, struct tj_auth **out, struct tj_err *err)
{
    struct tj_auth *auth = tj_heap_new(sizeof *auth);
    bool changed;
    tj_random_bytes(auth->key, sizeof auth->key);
    (void)pthread_mutex_init(&auth->lock, NULL);
    (void)pthread_cond_init(&auth->idle, NULL);
    if (path && *path) {
        size_t size = strlen(path) + 1;
        auth->path = tj_heap_new(size);
        memcpy(auth->path, path, size);
    }
    if (!tj_auth_refresh(auth, &changed, err)) {
        tj_auth_close(auth);
        return false;
    }
    *out = auth;
    return true;
}

void tj_auth_close(struct tj_auth *auth)
{
    if (!auth)
        return;
    tj_arena_release(&auth->arena);
    (void)pthread_cond_destroy(&auth->idle);
    (void)pthread_mutex_destroy(&auth->lock);
    tj_heap_free(auth->path);
    tj_heap_free(auth);
}

bool tj_auth_is_required(struct tj_auth *auth)
{
    (void)pthread_mutex_lock(&auth->lock);
    bool required = auth->required;
    (void)pthread_mutex_unlock(&auth->lock);
    return required;
}

size_t tj_auth_count(struct tj_auth *auth)
{
    (void)pthread_mutex_lock(&auth->lock);
    size_t count = auth->entries.count;
    (void)pthread_mutex_unlock(&auth->lock);
    return count;
}

bool tj_auth_is_private(const struct tj_auth *auth)
{
    return (auth->seen.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* -- checking ------------------------------------------------------------- */

/* A copy that outlives a refresh. */
static const struct tj_grant *grant_of(const struct tj_auth_entry *e,
                                       struct tj_arena *a)
{
    struct tj_grant *grant = tj_arena_new(a, struct tj_grant);
    uint64_t *ids = tj_arena_array(a, uint64_t, e->grant.experiment_count + 1);
    for (size_t i = 0; i < e->grant.experiment_count; i++)
        ids[i] = e->grant.experiments[i];
    *grant = e->grant;
    grant->name = tj_str_dup(a, e->grant.name);
    grant->experiments = ids;
    return grant;
}

/* The text behind "Scheme ", or ptr NULL. */
static tj_str credentials(tj_str header, tj_str scheme)
{
    if (header.len <= scheme.len || header.ptr[scheme.len] != ' ' ||
        !tj_str_eq_fold(tj_str_slice(header, 0, scheme.len), scheme))
        return (tj_str){0};
    return tj_str_trim(tj_str_slice(header, scheme.len, header.len));
}

/* All entries are looked at, whichever it is. */
static enum tj_auth_verdict check_token(struct tj_auth *auth, tj_str token,
                                        struct tj_arena *a,
                                        const struct tj_grant **out)
{
    unsigned char digest[TJ_SHA256_BYTES];
    const struct tj_auth_entry *found = NULL;
    tj_sha256(token, digest);
    (void)pthread_mutex_lock(&auth->lock);
    tj_vec_each (&auth->entries, const struct tj_auth_entry, e)
        if (e->kind == TJ_AUTH_TOKEN &&
            tj_secret_eq(digest, e->hash, sizeof digest))
            found = e;
    if (found)
        *out = grant_of(found, a);
    (void)pthread_mutex_unlock(&auth->lock);
    return found ? TJ_AUTH_GRANTED : TJ_AUTH_WRONG;
}

static void digest_of(const struct tj_auth *auth, tj_str text,
                      struct tj_arena *a, unsigned char out[TJ_SHA256_BYTES])
{
    char *keyed = tj_arena_alloc(a, sizeof auth->key + text.len);
    memcpy(keyed, auth->key, sizeof auth->key);
    memcpy(keyed + sizeof auth->key, text.ptr, text.len);
    tj_sha256(tj_str_make(keyed, sizeof auth->key + text.len), out);
}

/* The lock is held, here and in the next three. */
static const struct tj_auth_entry *
find_verified(const struct tj_auth *auth,
              const unsigned char digest[TJ_SHA256_BYTES])
{
    for (size_t i = 0; i < auth->verified_count; i++)
        if (tj_secret_eq(auth->verified[i].digest, digest, TJ_SHA256_BYTES))
            return &auth->entries.items[auth->verified[i].entry];
    return NULL;
}

static void remember(struct tj_auth *auth,
                     const unsigned char digest[TJ_SHA256_BYTES], size_t entry)
{
    struct verified *v = &auth->verified[auth->verified_next];
    auth->verified_next = (auth->verified_next + 1) % VERIFIED_MAX;
    if (auth->verified_count < VERIFIED_MAX)
        auth->verified_count++;
    memcpy(v->digest, digest, sizeof v->digest);
    v->entry = entry;
}

static size_t find_user(const struct tj_auth *auth, tj_str name)
{
    tj_vec_each (&auth->entries, const struct tj_auth_entry, e)
        if (e->kind == TJ_AUTH_USER && tj_str_eq(e->grant.name, name))
            return (size_t)(e - auth->entries.items);
    return auth->entries.count;
}

/* Runs PBKDF2 without the lock, but as the only one. */
static bool verify(struct tj_auth *auth, size_t at, tj_str password)
{
    unsigned char hash[TJ_SHA256_BYTES];
    struct tj_auth_entry e = {.rounds = TJ_AUTH_ROUNDS};
    bool known = at < auth->entries.count;
    if (known)
        e = auth->entries.items[at];
    auth->verifying = true;
    (void)pthread_mutex_unlock(&auth->lock);
    tj_pbkdf2_sha256(password, tj_str_make((const char *)e.salt, sizeof e.salt),
                     e.rounds, hash);
    bool same = tj_secret_eq(hash, e.hash, sizeof hash);
    (void)pthread_mutex_lock(&auth->lock);
    auth->verifying = false;
    /* All: one that finds its answer here leaves without verifying, and would
     * wake nobody. */
    (void)pthread_cond_broadcast(&auth->idle);
    return known && same;
}

/* False: too many wait already. */
static bool await_turn(struct tj_auth *auth)
{
    if (auth->verifying && auth->waiters >= WAITERS_MAX)
        return false;
    auth->waiters++;
    while (auth->verifying)
        (void)pthread_cond_wait(&auth->idle, &auth->lock);
    auth->waiters--;
    return true;
}

struct basic {
    unsigned char digest[TJ_SHA256_BYTES];
    tj_str name;
    tj_str password;
};

static enum tj_auth_verdict check_user(struct tj_auth *auth,
                                       const struct basic *basic,
                                       enum tj_auth_effort effort,
                                       struct tj_arena *a,
                                       const struct tj_grant **out)
{
    const struct tj_auth_entry *e = find_verified(auth, basic->digest);
    if (!e && effort == TJ_AUTH_QUICK)
        return TJ_AUTH_LATER;
    if (!e && !await_turn(auth))
        return TJ_AUTH_BUSY;
    if (!e)
        e = find_verified(auth, basic->digest); /* by one we waited for */
    if (!e) {
        unsigned generation = auth->generation;
        size_t at = find_user(auth, basic->name);
        if (!verify(auth, at, basic->password))
            return TJ_AUTH_WRONG;
        if (generation != auth->generation)
            return TJ_AUTH_BUSY; /* the file changed meanwhile: once more */
        remember(auth, basic->digest, at);
        e = &auth->entries.items[at];
    }
    *out = grant_of(e, a);
    return TJ_AUTH_GRANTED;
}

static enum tj_auth_verdict check_basic(struct tj_auth *auth, tj_str encoded,
                                        enum tj_auth_effort effort,
                                        struct tj_arena *a,
                                        const struct tj_grant **out)
{
    struct basic basic;
    if (!tj_base64_parse(a, encoded, &basic.password) ||
        tj_str_find_byte(basic.password, ':') == (size_t)-1)
        return TJ_AUTH_WRONG;
    digest_of(auth, basic.password, a, basic.digest);
    basic.name = tj_str_cut(&basic.password, ':');
    if (basic.password.len > TJ_AUTH_PASSWORD_BYTES_MAX)
        return TJ_AUTH_WRONG;
    (void)pthread_mutex_lock(&auth->lock);
    enum tj_auth_verdict verdict = check_user(auth, &basic, effort, a, out);
    (void)pthread_mutex_unlock(&auth->lock);
    return verdict;
}

enum tj_auth_verdict tj_auth_check(struct tj_auth *auth, tj_str header,
                                   enum tj_auth_effort effort,
                                   struct tj_arena *a,
                                   const struct tj_grant **out)
{
    tj_str token = credentials(header, TJ_STR("Bearer"));
    tj_str encoded = credentials(header, TJ_STR("Basic"));
    if (!tj_auth_is_required(auth))
        return TJ_AUTH_OPEN;
    if (!header.len)
        return TJ_AUTH_MISSING;
    if (header.len > HEADER_BYTES_MAX)
        return TJ_AUTH_WRONG;
    if (token.len)
        return check_token(auth, token, a, out);
    if (encoded.len)
        return check_basic(auth, encoded, effort, a, out);
    return TJ_AUTH_WRONG;
}
