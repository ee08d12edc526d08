/* test.h - what every unit test includes: cmocka in its required order.
 * SPDX-License-Identifier: Apache-2.0
 *
 * TJ_TEST_SHARED() is the folder of real traces, or NULL: then skip() and say
 * so.  assert_str_eq compares a tj_str with a literal and prints both.
 */
#ifndef TJ_TESTS_TEST_H
#define TJ_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define assert_str_eq(actual, literal)                                         \
    do {                                                                       \
        tj_str str_actual = (actual);                                          \
        struct tj_arena str_arena = {0};                                       \
        assert_string_equal(tj_cstr(&str_arena, str_actual), (literal));       \
        assert_int_equal(str_actual.len, strlen(literal));                     \
        tj_arena_release(&str_arena);                                          \
    } while (0)

/* call must be true; on failure the error's message is what the test shows. */
#define assert_ok(call, err)                                                   \
    do {                                                                       \
        if (!(call))                                                           \
            fail_msg("%s: %s", #call, (err).message);                          \
    } while (0)

/* call must be false with this code and a message that contains part. */
#define assert_fails(call, err, want_code, part)                               \
    do {                                                                       \
        (err) = (struct tj_err){0};                                            \
        assert_false(call);                                                    \
        assert_int_equal((err).code, (want_code));                             \
        if (!strstr((err).message, (part)))                                    \
            fail_msg("%s: message \"%s\" lacks \"%s\"", #call, (err).message,  \
                     (part));                                                  \
    } while (0)

static inline const char *TJ_TEST_SHARED(void)
{
    const char *path = getenv("TRACEJUDGE_SHARED");
    return path && access(path, R_OK) == 0 ? path : NULL;
}

#endif
