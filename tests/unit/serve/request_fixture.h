/* request_fixture.h - requests made by hand.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TJ_TESTS_REQUEST_FIXTURE_H
#define TJ_TESTS_REQUEST_FIXTURE_H

#include "serve/exchange.h"
#include "test.h"

enum { REQUEST_HEADERS = 8 };

struct request_fixture {
    struct tj_arena arena;
    struct tj_header headers[REQUEST_HEADERS];
    struct tj_request rq;
    struct tj_answer answer;
};

/* names and values alternate and end with NULL. */
static inline struct tj_request *make_request(struct request_fixture *f,
                                              enum tj_method method,
                                              const char *path,
                                              const char *const *headers)
{
    f->answer = (struct tj_answer){0};
    f->rq = (struct tj_request){
        .method = method,
        .path = tj_str_c(path),
        .headers = f->headers,
        .grant = &tj_grant_all,
        .arena = &f->arena,
    };
    for (; headers && headers[0]; headers += 2)
        f->headers[f->rq.header_count++] =
            (struct tj_header){tj_str_c(headers[0]), tj_str_c(headers[1])};
    return &f->rq;
}

#endif
