/* members.h - all members of the family of stores, and cases run on each.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_STORE_MEMBERS_H
#define TJ_TESTS_STORE_MEMBERS_H

#include "fixture.h"

#include <dirent.h>
#include <stdio.h>

#include "base/limits.h"
#include "store/store_fault.h"
#include "store/store_ops.h"
#include "store/store_watch.h"

/* -- members -------------------------------------------------------------- */

static char folder[] = "/tmp/tj-conformance-XXXXXX";

static struct tj_store *open_memory(void)
{
    return tj_store_memory_new();
}

static struct tj_store *open_sqlite(void)
{
    static int number;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_store *st = NULL;
    tj_str url = tj_str_printf(&a, "sqlite://%s/%d.db", folder, number++);
    struct tj_store_options options = {.durability = TJ_DURABLE_RELAXED,
                                       .create = true};
    assert_ok(tj_store_open(url, &options, &st, &err), err);
    tj_arena_release(&a);
    return st;
}

static struct tj_store *open_fault(void)
{
    return tj_store_fault_new(open_sqlite());
}

static struct tj_store *open_watch(void)
{
    return tj_store_watch_new(open_memory());
}

struct member {
    const char *name;
    struct tj_store *(*open)(void);
};
static const struct member members[] = {
    {"memory", open_memory},
    {"sqlite", open_sqlite},
    {"fault", open_fault},
    {"watch", open_watch},
};

struct state {
    struct tj_store *st;
    struct tj_arena arena;
    struct tj_batch batch;
    struct tj_err err;
};

static struct state *begin(void **initial)
{
    const struct member *m = *initial;
    struct state *s = test_calloc(1, sizeof *s);
    s->st = m->open();
    batch_init(&s->batch, &s->arena);
    return s;
}

static void end(struct state *s)
{
    tj_store_close(s->st);
    tj_arena_release(&s->arena);
    test_free(s);
}

static void next_batch(struct state *s)
{
    batch_init(&s->batch, &s->arena);
}

/* -- running -------------------------------------------------------------- */

static int remove_folder(void **state)
{
    (void)state;
    char path[256];
    DIR *dir = opendir(folder);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        (void)snprintf(path, sizeof path, "%s/%.100s", folder, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(dir);
    (void)rmdir(folder);
    return 0;
}

#define CASE(f)                                                                \
    {                                                                          \
#        f, f                                                                  \
    }
struct named_case {
    const char *name;
    CMUnitTestFunction run;
};

/* Every case on every member; then the others as they are. */
static int run_on_all(const struct named_case *cases, size_t case_count,
                      const struct CMUnitTest *others, size_t other_count)
{
    enum { TESTS_MAX = 256 };
    static struct CMUnitTest tests[TESTS_MAX];
    static char names[TESTS_MAX][64];
    size_t count = 0;
    if (!mkdtemp(folder))
        return 1;
    for (size_t m = 0; m < TJ_COUNT(members); m++) {
        for (size_t c = 0; c < case_count; c++, count++) {
            (void)snprintf(names[count], sizeof names[count], "%s: %s",
                           members[m].name, cases[c].name);
            tests[count] = (struct CMUnitTest){
                .name = names[count],
                .test_func = cases[c].run,
                .initial_state = (void *)(uintptr_t)&members[m],
            };
        }
    }
    for (size_t i = 0; i < other_count; i++)
        tests[count++] = others[i];
    return _cmocka_run_group_tests("store", tests, count, NULL, remove_folder);
}

#endif
