/* test_auth.c - credentials: the file, tokens, users, and what changes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hex.h"
#include "serve/auth.h"
#include "serve/auth_file.h"
#include "text/base64.h"

struct fixture {
    struct tj_arena arena;
    char folder[64];
    char path[96];
    tj_auth_entries entries;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/tj-auth-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof f->path, "%s/new/db.auth", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char inner[96];
    (void)unlink(f->path);
    (void)snprintf(inner, sizeof inner, "%s/new", f->folder);
    (void)rmdir(inner);
    (void)rmdir(f->folder);
    tj_arena_release(&f->arena);
    free(f);
    return 0;
}

static void save(struct fixture *f)
{
    struct tj_err err;
    assert_ok(tj_auth_file_write(f->path, &f->entries, &err), err);
}

static tj_str add_token(struct fixture *f, const char *name,
                        enum tj_access access)
{
    struct tj_err err;
    tj_str token;
    struct tj_grant grant = {.name = tj_str_c(name), .access = access};
    assert_ok(tj_auth_add_token(&f->entries, &grant, &f->arena, &token, &err),
              err);
    save(f);
    return token;
}

/* As tj_auth_add_user, with few rounds so that tests do not wait. */
static void add_user(struct fixture *f, const char *name, const char *password)
{
    struct tj_auth_entry *e = tj_vec_add(&f->entries, &f->arena);
    *e = (struct tj_auth_entry){
        .kind = TJ_AUTH_USER,
        .grant = {.name = tj_str_c(name), .access = TJ_ACCESS_READ},
        .rounds = 2,
    };
    memset(e->salt, 7, sizeof e->salt);
    tj_pbkdf2_sha256(tj_str_c(password),
                     tj_str_make((const char *)e->salt, sizeof e->salt), 2,
                     e->hash);
    save(f);
}

static struct tj_auth *opened(struct fixture *f)
{
    struct tj_auth *auth = NULL;
    struct tj_err err;
    assert_ok(tj_auth_open(f->path, &auth, &err), err);
    return auth;
}

static enum tj_auth_verdict check(struct fixture *f, struct tj_auth *auth,
                                  const char *scheme, tj_str secret)
{
    const struct tj_grant *grant = NULL;
    tj_str header =
        tj_str_printf(&f->arena, "%s %.*s", scheme, TJ_STR_ARG(secret));
    enum tj_auth_verdict verdict =
        tj_auth_check(auth, header, TJ_AUTH_FULL, &f->arena, &grant);
    assert_int_equal(verdict == TJ_AUTH_GRANTED, grant != NULL);
    return verdict;
}

static tj_str basic(struct fixture *f, const char *pair)
{
    return tj_base64_write(&f->arena, tj_str_c(pair));
}

static void without_a_file(void **state)
{
    struct fixture *f = *state;
    struct tj_auth *auth = opened(f);
    assert_false(tj_auth_is_required(auth));
    assert_int_equal(check(f, auth, "Bearer", TJ_STR("x")), TJ_AUTH_OPEN);
    tj_auth_close(auth);
    tj_auth_close(NULL);
}

static void tokens(void **state)
{
    struct fixture *f = *state;
    tj_str one = add_token(f, "one", TJ_ACCESS_READ);
    tj_str two = add_token(f, "two", TJ_ACCESS_ADMIN);
    struct tj_auth *auth = opened(f);
    const struct tj_grant *grant = NULL;
    assert_int_equal(one.len, 67);
    assert_false(tj_str_eq(one, two));
    assert_true(tj_auth_is_required(auth));
    assert_true(tj_auth_is_private(auth));
    tj_str header = tj_str_printf(&f->arena, "bearer  %.*s ", TJ_STR_ARG(two));
    assert_int_equal(
        tj_auth_check(auth, header, TJ_AUTH_QUICK, &f->arena, &grant),
        TJ_AUTH_GRANTED);
    assert_str_eq(grant->name, "two");
    assert_int_equal(grant->access, TJ_ACCESS_ADMIN);
    assert_true(tj_grant_covers_all(grant));
    tj_str wrong[] = {TJ_STR("x"), TJ_STR("tj_"),
                      tj_str_slice(one, 0, one.len - 1),
                      tj_str_slice(one, 3, one.len)};
    for (size_t i = 0; i < TJ_COUNT(wrong); i++)
        assert_int_equal(check(f, auth, "Bearer", wrong[i]), TJ_AUTH_WRONG);
    assert_int_equal(check(f, auth, "Digest", one), TJ_AUTH_WRONG);
    assert_int_equal(check(f, auth, "", one), TJ_AUTH_WRONG);
    assert_int_equal(
        tj_auth_check(auth, (tj_str){0}, TJ_AUTH_FULL, &f->arena, &grant),
        TJ_AUTH_MISSING);
    tj_auth_close(auth);
}

static void users(void **state)
{
    struct fixture *f = *state;
    const struct tj_grant *grant = NULL;
    add_user(f, "ana", "pass:word");
    add_token(f, "bob", TJ_ACCESS_READ);
    struct tj_auth *auth = opened(f);
    tj_str right = basic(f, "ana:pass:word");
    tj_str header = tj_str_printf(&f->arena, "Basic %.*s", TJ_STR_ARG(right));
    assert_int_equal(
        tj_auth_check(auth, header, TJ_AUTH_QUICK, &f->arena, &grant),
        TJ_AUTH_LATER);
    assert_int_equal(check(f, auth, "Basic", right), TJ_AUTH_GRANTED);
    /* Remembered. */
    assert_int_equal(
        tj_auth_check(auth, header, TJ_AUTH_QUICK, &f->arena, &grant),
        TJ_AUTH_GRANTED);
    assert_str_eq(grant->name, "ana");
    const char *wrong[] = {"ana:pass", "ana:", "ana", ":pass:word", ""};
    for (size_t i = 0; i < TJ_COUNT(wrong); i++)
        assert_int_equal(check(f, auth, "Basic", basic(f, wrong[i])),
                         TJ_AUTH_WRONG);
    assert_int_equal(check(f, auth, "Basic", TJ_STR("!!!")), TJ_AUTH_WRONG);
    tj_auth_close(auth);
}

/* A token's name is no user: it costs the full rounds, and is refused. */
static void unknown_users_cost_as_much(void **state)
{
    struct fixture *f = *state;
    add_token(f, "bob", TJ_ACCESS_READ);
    struct tj_auth *auth = opened(f);
    uint64_t start_ns = tj_mono_ns();
    assert_int_equal(check(f, auth, "Basic", basic(f, "bob:x")), TJ_AUTH_WRONG);
    /* 600,000 rounds are some 200 ms; nothing does them in 20. */
    assert_true(tj_mono_ns() - start_ns > 20 * TJ_NS_PER_MS);
    tj_auth_close(auth);
}

enum { ASKERS = 12, SLOW_ROUNDS = 300000 };

struct asker {
    pthread_t thread;
    struct tj_auth *auth;
    tj_str header;
    atomic_uint *granted;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct tj_arena a = {0};
    const struct tj_grant *grant = NULL;
    if (tj_auth_check(asker->auth, asker->header, TJ_AUTH_FULL, &a, &grant) ==
        TJ_AUTH_GRANTED)
        atomic_fetch_add(asker->granted, 1);
    tj_arena_release(&a);
    return NULL;
}

/* Many who say the same at once: one is checked, and all the others hear of
 * it, not only the first of those that wait. */
static void who_waits_is_told(void **state)
{
    struct fixture *f = *state;
    struct asker askers[ASKERS];
    atomic_uint granted = 0;
    add_user(f, "ana", "password");
    struct tj_auth_entry *e = &f->entries.items[0];
    e->rounds = SLOW_ROUNDS;
    tj_pbkdf2_sha256(TJ_STR("password"),
                     tj_str_make((const char *)e->salt, sizeof e->salt),
                     e->rounds, e->hash);
    save(f);
    struct tj_auth *auth = opened(f);
    tj_str right = basic(f, "ana:password");
    tj_str header = tj_str_printf(&f->arena, "Basic %.*s", TJ_STR_ARG(right));
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){0, auth, header, &granted};
        assert_int_equal(
            pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    uint64_t end_ns = tj_mono_ns() + 60 * TJ_NS_PER_SECOND;
    while (atomic_load(&granted) < ASKERS && tj_mono_ns() < end_ns)
        (void)sched_yield();
    assert_int_equal(atomic_load(&granted), ASKERS);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
    tj_auth_close(auth);
}

static void changes_are_seen(void **state)
{
    struct fixture *f = *state;
    struct tj_err err;
    bool changed;
    struct tj_auth *auth = opened(f);
    tj_str token = add_token(f, "one", TJ_ACCESS_READ);
    assert_int_equal(check(f, auth, "Bearer", token), TJ_AUTH_OPEN);
    assert_ok(tj_auth_refresh(auth, &changed, &err), err);
    assert_true(changed);
    assert_int_equal(check(f, auth, "Bearer", token), TJ_AUTH_GRANTED);
    assert_ok(tj_auth_refresh(auth, &changed, &err), err);
    assert_false(changed);
    /* Broken: what was read stays, and it is told once. */
    assert_ok(tj_file_write(f->path, TJ_STR("{\"version\":1,"), &err), err);
    assert_fails(tj_auth_refresh(auth, &changed, &err), err, TJ_E_INPUT,
                 "credentials");
    assert_ok(tj_auth_refresh(auth, &changed, &err), err);
    assert_int_equal(check(f, auth, "Bearer", token), TJ_AUTH_GRANTED);
    /* Gone, or without entries: nobody comes in any more. */
    assert_int_equal(unlink(f->path), 0);
    assert_ok(tj_auth_refresh(auth, &changed, &err), err);
    assert_true(tj_auth_is_required(auth));
    assert_int_equal(check(f, auth, "Bearer", token), TJ_AUTH_WRONG);
    tj_auth_close(auth);
}

static void files(void **state)
{
    struct fixture *f = *state;
    struct tj_err err;
    tj_auth_entries back;
    struct stat st;
    static const uint64_t ids[] = {3, 1};
    tj_str token;
    struct tj_grant grant = {TJ_STR("ci"), TJ_ACCESS_WRITE, ids, 2};
    assert_ok(tj_auth_add_token(&f->entries, &grant, &f->arena, &token, &err),
              err);
    add_user(f, "ana", "password");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(tj_auth_file_read(f->path, &f->arena, &back, &err), err);
    assert_int_equal(back.count, 2);
    assert_str_eq(back.items[0].grant.name, "ci");
    assert_int_equal(back.items[0].grant.access, TJ_ACCESS_WRITE);
    assert_int_equal(back.items[0].grant.experiment_count, 2);
    assert_int_equal(back.items[0].grant.experiments[0], 3);
    assert_int_equal(back.items[0].created, f->entries.items[0].created);
    assert_memory_equal(back.items[1].hash, f->entries.items[1].hash, 32);
    assert_memory_equal(back.items[1].salt, f->entries.items[1].salt, 16);
    assert_int_equal(back.items[1].rounds, 2);
    assert_fails(tj_auth_add_token(&back, &grant, &f->arena, &token, &err), err,
                 TJ_E_INPUT, "called ci");
    assert_true(tj_auth_remove(&back, TJ_STR("ci")));
    assert_false(tj_auth_remove(&back, TJ_STR("ci")));
    assert_int_equal(back.count, 1);
    assert_str_eq(back.items[0].grant.name, "ana");
}

/* Entries may be there: that nobody can read them gives nobody leave. */
static void out_of_reach(void **state)
{
    struct fixture *f = *state;
    struct tj_auth *auth = NULL;
    struct tj_err err;
    bool changed;
    assert_ok(tj_file_make_parents(f->path, &err), err);
    assert_int_equal(symlink(f->path, f->path), 0); /* to itself */
    assert_fails(tj_auth_open(f->path, &auth, &err), err, TJ_E_IO, f->path);
    assert_int_equal(unlink(f->path), 0);
    auth = opened(f);
    assert_int_equal(symlink(f->path, f->path), 0);
    assert_fails(tj_auth_refresh(auth, &changed, &err), err, TJ_E_IO, f->path);
    assert_ok(tj_auth_refresh(auth, &changed, &err), err); /* told once */
    assert_int_equal(unlink(f->path), 0);
    tj_str token = add_token(f, "one", TJ_ACCESS_READ);
    assert_ok(tj_auth_refresh(auth, &changed, &err), err);
    assert_int_equal(check(f, auth, "Bearer", token), TJ_AUTH_GRANTED);
    tj_auth_close(auth);
}

/* Whatever is odd in the file must not read as more than it was. */
static void bad_files(void **state)
{
    struct fixture *f = *state;
    struct tj_err err;
    tj_auth_entries back;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"version\":2,\"entries\":[]}",
        "{\"version\":1,\"entries\":[1]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"token\","
        "\"role\":\"king\",\"hash\":\"HASH\"}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"card\","
        "\"role\":\"read\",\"hash\":\"HASH\"}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"token\","
        "\"role\":\"read\",\"hash\":\"00\"}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"token\","
        "\"role\":\"read\",\"hash\":\"HASH\",\"experiments\":[]}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"token\","
        "\"role\":\"read\",\"hash\":\"HASH\",\"experiments\":null}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"token\","
        "\"role\":\"read\",\"hash\":\"HASH\",\"experiments\":[\"x\"]}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"user\","
        "\"role\":\"read\",\"hash\":\"HASH\",\"rounds\":5}]}",
        "{\"version\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"user\","
        "\"role\":\"read\",\"hash\":\"HASH\",\"rounds\":0,\"salt\":"
        "\"00000000000000000000000000000000\"}]}",
    };
    assert_ok(tj_file_make_parents(f->path, &err), err);
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        tj_str text = tj_str_c(bad[i]);
        size_t at = tj_str_find(text, TJ_STR("HASH"));
        if (at != (size_t)-1)
            text = tj_str_printf(&f->arena, "%.*s%064d%s", (int)at, bad[i], 0,
                                 bad[i] + at + 4);
        assert_ok(tj_file_write(f->path, text, &err), err);
        if (tj_auth_file_read(f->path, &f->arena, &back, &err))
            fail_msg("read: %s", bad[i]);
        assert_int_equal(err.code, TJ_E_INPUT);
    }
}

/* RFC 7914, 11: PBKDF2-HMAC-SHA256. */
static void pbkdf2(void **state)
{
    struct fixture *f = *state;
    unsigned char out[TJ_SHA256_BYTES];
    char hex[2 * TJ_SHA256_BYTES];
    tj_pbkdf2_sha256(TJ_STR("passwd"), TJ_STR("salt"), 1, out);
    tj_hex_write(out, sizeof out, hex);
    assert_str_eq(tj_str_dup(&f->arena, tj_str_make(hex, sizeof hex)),
                  "55ac046e56e3089fec1691c22544b605"
                  "f94185216dde0465e68b9d57c20dacbc");
    assert_true(tj_secret_eq("abc", "abc", 3));
    assert_false(tj_secret_eq("abc", "abd", 3));
}

static void names_and_paths(void **state)
{
    struct fixture *f = *state;
    struct tj_err err;
    tj_str token;
    static const char *const bad[] = {"",    "a:b", "a b",
                                      "a\n", "\"",  "\xc3\xa9"};
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        struct tj_grant grant = {.name = tj_str_c(bad[i])};
        assert_fails(
            tj_auth_add_token(&f->entries, &grant, &f->arena, &token, &err),
            err, TJ_E_INPUT, "a name is");
    }
    struct tj_grant grant = {.name = TJ_STR("a@b.example"),
                             .access = TJ_ACCESS_READ};
    assert_fails(
        tj_auth_add_user(&f->entries, &grant, TJ_STR("short"), &f->arena, &err),
        err, TJ_E_INPUT, "8 to 1024 bytes");
    assert_str_eq(tj_auth_default_path(TJ_STR("sqlite:///a/b.db"), &f->arena),
                  "/a/b.db.auth");
    assert_str_eq(tj_auth_default_path(TJ_STR("b.db"), &f->arena), "b.db.auth");
    assert_int_equal(tj_auth_default_path(TJ_STR("memory:"), &f->arena).len, 0);
    assert_int_equal(
        tj_auth_default_path(TJ_STR("mlflow+http://x"), &f->arena).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(users, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_users_cost_as_much, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_reach, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(pbkdf2, setup, teardown),
        cmocka_unit_test_setup_teardown(names_and_paths, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
