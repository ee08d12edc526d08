/* auth_file.c - see auth_file.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/auth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "base/random.h"
#include "text/json_write.h"

enum { FILE_BYTES_MAX = 16 << 20, TOKEN_BYTES = 32 };

static const char *const roles[] = {
    [TJ_ACCESS_READ] = "read",
    [TJ_ACCESS_WRITE] = "write",
    [TJ_ACCESS_ADMIN] = "admin",
};

tj_str tj_auth_default_path(tj_str store_url, struct tj_arena *a)
{
    tj_str scheme = TJ_STR("sqlite://");
    tj_str path = store_url;
    if (tj_str_starts(path, scheme))
        path = tj_str_slice(path, scheme.len, path.len);
    if (tj_str_eq(path, TJ_STR("memory:")) ||
        tj_str_find(path, TJ_STR("://")) != (size_t)-1)
        return (tj_str){0};
    return tj_str_printf(a, "%.*s.auth", TJ_STR_ARG(path));
}

bool tj_auth_role_parse(tj_str name, enum tj_access *out)
{
    for (size_t i = TJ_ACCESS_READ; i < TJ_COUNT(roles); i++) {
        if (tj_str_eq(name, tj_str_c(roles[i]))) {
            *out = (enum tj_access)i;
            return true;
        }
    }
    return false;
}

const char *tj_auth_role_name(enum tj_access access)
{
    assert(access >= TJ_ACCESS_READ);
    return roles[access];
}

/* -- reading -------------------------------------------------------------- */

static bool read_experiments(const struct tj_json *v, struct tj_arena *a,
                             struct tj_grant *out)
{
    TJ_VEC(uint64_t) ids = {0};
    tj_json_each (v, item) {
        uint64_t id;
        if (ids.count == TJ_AUTH_EXPERIMENTS_MAX ||
            !tj_str_to_u64(tj_json_str(item), &id))
            return false;
        *tj_vec_add(&ids, a) = id;
    }
    out->experiments = ids.items;
    out->experiment_count = ids.count;
    /* An empty or odd list must not read as "all". */
    return !v || ids.count > 0;
}

static bool read_user(const struct tj_json *v, struct tj_auth_entry *out)
{
    int64_t rounds = 0;
    if (!tj_json_i64(tj_json_find(v, TJ_STR("rounds")), &rounds) ||
        rounds < 1 || rounds > TJ_AUTH_ROUNDS_MAX)
        return false;
    out->rounds = (unsigned)rounds;
    return tj_hex_parse(tj_json_find_str(v, TJ_STR("salt")), out->salt,
                        sizeof out->salt);
}

static bool read_entry(const struct tj_json *v, struct tj_arena *a,
                       struct tj_auth_entry *out)
{
    tj_str kind = tj_json_find_str(v, TJ_STR("kind"));
    bool user = tj_str_eq(kind, TJ_STR("user"));
    *out = (struct tj_auth_entry){
        .kind = user ? TJ_AUTH_USER : TJ_AUTH_TOKEN,
        .grant.name = tj_json_find_str(v, TJ_STR("name")),
    };
    if (!tj_time_parse(tj_json_find_str(v, TJ_STR("created")), &out->created))
        out->created = 0;
    return (user || tj_str_eq(kind, TJ_STR("token"))) &&
           out->grant.name.len > 0 &&
           tj_auth_role_parse(tj_json_find_str(v, TJ_STR("role")),
                              &out->grant.access) &&
           read_experiments(tj_json_find(v, TJ_STR("experiments")), a,
                            &out->grant) &&
           tj_hex_parse(tj_json_find_str(v, TJ_STR("hash")), out->hash,
                        sizeof out->hash) &&
           (!user || read_user(v, out));
}

static bool read_entries(const struct tj_json *root, struct tj_arena *a,
                         tj_auth_entries *out, struct tj_err *err)
{
    tj_auth_entries list = {0};
    int64_t version = 0;
    if (!tj_json_i64(tj_json_find(root, TJ_STR("version")), &version) ||
        version != 1)
        return tj_fail(err, TJ_E_INPUT, "no \"version\": 1");
    tj_json_each (tj_json_find(root, TJ_STR("entries")), item) {
        if (list.count == TJ_AUTH_ENTRIES_MAX)
            return tj_fail(err, TJ_E_LIMIT, "more than %d entries",
                           TJ_AUTH_ENTRIES_MAX);
        if (!read_entry(item, a, tj_vec_add(&list, a)))
            return tj_fail(err, TJ_E_INPUT, "entry %zu is not one", list.count);
    }
    *out = list;
    return true;
}

bool tj_auth_file_read(const char *path, struct tj_arena *a,
                       tj_auth_entries *out, struct tj_err *err)
{
    tj_str text;
    struct tj_json_doc doc = {0};
    /* A file that we cannot get at is another thing: it may have entries. */
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        *out = (tj_auth_entries){0};
        return true;
    }
    if (!tj_file_read(path, FILE_BYTES_MAX, a, &text, err))
        return false;
    if (!tj_json_parse(text, a, &doc, err) ||
        !read_entries(doc.root, a, out, err))
        return tj_err_wrap(err, "credentials %s", path);
    return true;
}

/* -- writing -------------------------------------------------------------- */

static void write_hex(struct tj_json_writer *w, const char *key,
                      const unsigned char *bytes, size_t size)
{
    char digits[2 * TJ_SHA256_BYTES];
    assert(2 * size <= sizeof digits);
    tj_hex_write(bytes, size, digits);
    tj_jw_key_str(w, key, tj_str_make(digits, 2 * size));
}

static void write_experiments(struct tj_json_writer *w,
                              const struct tj_grant *grant, struct tj_arena *a)
{
    if (!grant->experiment_count)
        return;
    tj_jw_key(w, TJ_STR("experiments"));
    tj_jw_array(w);
    for (size_t i = 0; i < grant->experiment_count; i++)
        tj_jw_str(w, tj_str_printf(a, "%llu",
                                   (unsigned long long)grant->experiments[i]));
    tj_jw_end(w);
}

static void write_entry(struct tj_json_writer *w, const struct tj_auth_entry *e,
                        struct tj_arena *a)
{
    bool user = e->kind == TJ_AUTH_USER;
    tj_jw_object(w);
    tj_jw_key_str(w, "name", e->grant.name);
    tj_jw_key_str(w, "kind", user ? TJ_STR("user") : TJ_STR("token"));
    tj_jw_key_str(w, "role", tj_str_c(tj_auth_role_name(e->grant.access)));
    write_experiments(w, &e->grant, a);
    if (user) {
        tj_jw_key_u64(w, "rounds", e->rounds);
        write_hex(w, "salt", e->salt, sizeof e->salt);
    }
    write_hex(w, "hash", e->hash, sizeof e->hash);
    tj_jw_key_str(w, "created", tj_time_text(a, e->created));
    tj_jw_end(w);
}

bool tj_auth_file_write(const char *path, const tj_auth_entries *entries,
                        struct tj_err *err)
{
    struct tj_arena a = {0};
    struct tj_buf buf;
    struct tj_json_writer w;
    tj_buf_init(&buf, &a, FILE_BYTES_MAX);
    tj_json_writer_init(&w, &buf, TJ_JSON_PRETTY);
    tj_jw_object(&w);
    tj_jw_key_u64(&w, "version", 1);
    tj_jw_key(&w, TJ_STR("entries"));
    tj_jw_array(&w);
    tj_vec_each (entries, const struct tj_auth_entry, e)
        write_entry(&w, e, &a);
    tj_jw_end(&w);
    tj_jw_end(&w);
    tj_buf_byte(&buf, '\n');
    bool ok = tj_buf_ok(&buf, "the list of credentials", err) &&
              tj_file_make_parents(path, err) &&
              tj_file_write(path, tj_buf_str(&buf), err);
    tj_arena_release(&a);
    return ok;
}

/* -- changing ------------------------------------------------------------- */

/* The folder is locked: the file itself is another one with each change. */
bool tj_auth_file_lock(const char *path, int *lock, struct tj_err *err)
{
    struct tj_arena a = {0};
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    const char *folder = len ? tj_cstr(&a, tj_str_make(path, len)) : ".";
    bool ok = tj_file_make_parents(path, err);
    int fd = ok ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    tj_arena_release(&a);
    if (!ok)
        return false;
    while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        (void)close(fd);
        fd = -1;
    }
    *lock = fd;
    return fd >= 0 || tj_fail(err, TJ_E_IO, "%s: cannot be locked", path);
}

static size_t find(const tj_auth_entries *list, tj_str name)
{
    size_t i = 0;
    while (i < list->count && !tj_str_eq(list->items[i].grant.name, name))
        i++;
    return i;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr("._@+-", c));
}

/* Basic authentication ends a name at the first ':'. */
static bool check_name(const tj_auth_entries *list, tj_str name,
                       struct tj_err *err)
{
    bool ok = name.len > 0 && name.len <= TJ_AUTH_NAME_BYTES_MAX;
    for (size_t i = 0; ok && i < name.len; i++)
        ok = is_name_byte(name.ptr[i]);
    if (!ok)
        return tj_fail(err, TJ_E_INPUT,
                       "a name is 1 to %d letters, digits and any of ._@+-",
                       TJ_AUTH_NAME_BYTES_MAX);
    if (find(list, name) < list->count)
        return tj_fail(err, TJ_E_INPUT,
                       "there are credentials called %.*s; remove them first",
                       TJ_STR_ARG(name));
    return list->count < TJ_AUTH_ENTRIES_MAX ||
           tj_fail(err, TJ_E_LIMIT, "there are %d credentials already",
                   TJ_AUTH_ENTRIES_MAX);
}

static struct tj_auth_entry *add(tj_auth_entries *to, enum tj_auth_kind kind,
                                 const struct tj_grant *grant,
                                 struct tj_arena *a)
{
    struct tj_auth_entry *e = tj_vec_add(to, a);
    *e = (struct tj_auth_entry){
        .kind = kind, .grant = *grant, .created = tj_now()};
    return e;
}

bool tj_auth_add_token(tj_auth_entries *to, const struct tj_grant *grant,
                       struct tj_arena *a, tj_str *token, struct tj_err *err)
{
    unsigned char secret[TOKEN_BYTES];
    char digits[2 * TOKEN_BYTES];
    if (!check_name(to, grant->name, err))
        return false;
    tj_random_bytes(secret, sizeof secret);
    tj_hex_write(secret, sizeof secret, digits);
    *token = tj_str_printf(a, "%s%.*s", TJ_AUTH_TOKEN_PREFIX,
                           (int)sizeof digits, digits);
    tj_sha256(*token, add(to, TJ_AUTH_TOKEN, grant, a)->hash);
    return true;
}

bool tj_auth_add_user(tj_auth_entries *to, const struct tj_grant *grant,
                      tj_str password, struct tj_arena *a, struct tj_err *err)
{
    if (!check_name(to, grant->name, err))
        return false;
    if (password.len < TJ_AUTH_PASSWORD_BYTES_MIN ||
        password.len > TJ_AUTH_PASSWORD_BYTES_MAX)
        return tj_fail(err, TJ_E_INPUT, "a password has %d to %d bytes",
                       TJ_AUTH_PASSWORD_BYTES_MIN, TJ_AUTH_PASSWORD_BYTES_MAX);
    struct tj_auth_entry *e = add(to, TJ_AUTH_USER, grant, a);
    e->rounds = TJ_AUTH_ROUNDS;
    tj_random_bytes(e->salt, sizeof e->salt);
    tj_pbkdf2_sha256(password,
                     tj_str_make((const char *)e->salt, sizeof e->salt),
                     e->rounds, e->hash);
    return true;
}

bool tj_auth_remove(tj_auth_entries *from, tj_str name)
{
    size_t at = find(from, name);
    if (at == from->count)
        return false;
    from->count--;
    memmove(&from->items[at], &from->items[at + 1],
            (from->count - at) * sizeof *from->items);
    return true;
}
