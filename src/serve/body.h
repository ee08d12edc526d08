/* body.h - queries and bodies: what was encoded for the way.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Threads: any.
 */
#ifndef TJ_SERVE_BODY_H
#define TJ_SERVE_BODY_H

#include "base/err.h"
#include "serve/exchange.h"
#include "serve/room.h"

/* '%' and two digits are a byte; a '%' that is no escape stays as it is. */
tj_str tj_percent_decoded(tj_str text, struct tj_arena *a);

/* Splits a target ("/path?a=1&b=x+y", or with a scheme and host in front)
 * into rq->path, as it is, and rq->params, decoded.  TJ_E_INPUT for one that
 * is none, TJ_E_LIMIT for too many parameters. */
bool tj_target_parse(tj_str target, struct tj_request *rq, struct tj_err *err)
    TJ_MUST_USE;

enum tj_body_fault {
    TJ_BODY_FINE,
    TJ_BODY_BROKEN,    /* 400 */
    TJ_BODY_TOO_LARGE, /* 413 */
    TJ_BODY_UNKNOWN,   /* 415: such an encoding we do not read */
    TJ_BODY_NO_ROOM,   /* 503 */
};

/* Decompresses rq->body as Content-Encoding says, to no more than bytes_max,
 * and takes the room for it: *taken, which the caller gives back when the
 * request is done.  err is filled when it is not fine. */
enum tj_body_fault tj_body_decode(struct tj_request *rq, size_t bytes_max,
                                  struct tj_room *room, size_t *taken,
                                  struct tj_err *err);

/* Compresses a large answer of text with gzip when the client takes it. */
void tj_body_encode(const struct tj_request *rq, struct tj_answer *out);

#endif
