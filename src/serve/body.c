/* body.c - percent escapes, content codings in, gzip out.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/body.h"

#include "base/limits.h"
#include "base/vec.h"
#include "text/inflate.h"
#include "text/zstd.h"

/* -- targets -------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

tj_str tj_percent_decoded(tj_str text, struct tj_arena *a)
{
    if (tj_str_find_byte(text, '%') == (size_t)-1)
        return text;
    char *out = tj_arena_alloc(a, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool whole = text.ptr[i] == '%' && i + 2 < text.len;
        int high = whole ? hex_digit(text.ptr[i + 1]) : -1;
        int low = whole ? hex_digit(text.ptr[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            out[len++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[len++] = text.ptr[i];
        }
    }
    return (tj_str){out, len};
}

/* As forms write it: '+' is a blank. */
static tj_str form_decoded(tj_str text, struct tj_arena *a)
{
    if (tj_str_find_byte(text, '+') != (size_t)-1) {
        char *out = tj_arena_alloc(a, text.len);
        for (size_t i = 0; i < text.len; i++)
            out[i] = text.ptr[i] == '+' ? ' ' : text.ptr[i];
        text.ptr = out;
    }
    return tj_percent_decoded(text, a);
}

static bool parse_query(tj_str query, struct tj_request *rq, struct tj_err *err)
{
    TJ_VEC(struct tj_param) params = {0};
    while (query.len) {
        tj_str value = tj_str_cut(&query, '&');
        if (!value.len)
            continue;
        if (params.count == TJ_QUERY_PARAMS_MAX)
            return tj_fail(err, TJ_E_LIMIT, "more than %zu query parameters",
                           TJ_QUERY_PARAMS_MAX);
        tj_str name = tj_str_cut(&value, '=');
        *tj_vec_add(&params, rq->arena) = (struct tj_param){
            form_decoded(name, rq->arena), form_decoded(value, rq->arena)};
    }
    rq->params = params.items;
    rq->param_count = params.count;
    return true;
}

bool tj_target_parse(tj_str target, struct tj_request *rq, struct tj_err *err)
{
    tj_str http = TJ_STR("http://");
    if (tj_str_eq_fold(tj_str_slice(target, 0, http.len), http)) {
        tj_str rest = tj_str_slice(target, http.len, target.len);
        size_t slash = tj_str_find_byte(rest, '/');
        target = slash == (size_t)-1 ? TJ_STR("/")
                                     : tj_str_slice(rest, slash, rest.len);
    }
    bool star = tj_str_eq(target, TJ_STR("*")); /* OPTIONS * */
    if (!star && (!target.len || target.ptr[0] != '/'))
        return tj_fail(err, TJ_E_INPUT, "the request target is not a path");
    tj_str query = target;
    rq->path = tj_str_cut(&query, '?');
    return parse_query(query, rq, err);
}

/* -- content codings ------------------------------------------------------ */

typedef bool (*decoder)(tj_str bytes, size_t bytes_max, struct tj_arena *a,
                        tj_str *out, struct tj_err *err);

static bool read_gzip(tj_str bytes, size_t bytes_max, struct tj_arena *a,
                      tj_str *out, struct tj_err *err)
{
    if (!tj_is_gzip(bytes))
        return tj_fail(err, TJ_E_INPUT, "offset 0: no gzip data");
    return tj_inflate(bytes, bytes_max, a, out, err);
}

static const struct {
    const char *name;
    decoder read;
} codings[] = {
    {"gzip", read_gzip},
    {"x-gzip", read_gzip},
    {"deflate", tj_inflate_http},
    {"zstd", tj_zstd_read_http},
};

static decoder decoder_of(tj_str name)
{
    for (size_t i = 0; i < TJ_COUNT(codings); i++)
        if (tj_str_eq_fold(name, tj_str_c(codings[i].name)))
            return codings[i].read;
    return NULL;
}

/* With room for bytes_max and no more.  On LIMIT nothing stays taken. */
static enum tj_body_fault decode_within(struct tj_request *rq, decoder read,
                                        size_t bytes_max, struct tj_room *room,
                                        struct tj_err *err)
{
    tj_str out;
    struct tj_arena scratch = {0};
    if (!tj_room_take(room, bytes_max)) {
        (void)tj_fail(err, TJ_E_BUSY, "no memory for the body; try again");
        return TJ_BODY_NO_ROOM;
    }
    if (read(rq->body, bytes_max, &scratch, &out, err)) {
        tj_arena_adopt(rq->arena, &scratch);
        rq->body = out;
        return TJ_BODY_FINE;
    }
    tj_arena_release(&scratch);
    tj_room_give(room, bytes_max);
    return err->code == TJ_E_LIMIT ? TJ_BODY_TOO_LARGE : TJ_BODY_BROKEN;
}

enum tj_body_fault tj_body_decode(struct tj_request *rq, size_t bytes_max,
                                  struct tj_room *room, size_t *taken,
                                  struct tj_err *err)
{
    tj_str name =
        tj_str_trim(tj_request_header(rq, TJ_STR("Content-Encoding")));
    decoder read = decoder_of(name);
    *taken = 0;
    if (!name.len || tj_str_eq_fold(name, TJ_STR("identity")) || !rq->body.len)
        return TJ_BODY_FINE;
    if (!read) {
        (void)tj_fail(err, TJ_E_INPUT,
                      "Content-Encoding %.*s is not read here: use gzip, "
                      "deflate, zstd or none",
                      TJ_STR_ARG(tj_str_slice(name, 0, 64)));
        return TJ_BODY_UNKNOWN;
    }
    /* First with the room that usual data needs: one who sends a bomb, or
     * many at once, does not hold the most that each might need. */
    size_t guess = bytes_max;
    if (rq->body.len < bytes_max / TJ_BODY_RATIO_GUESS)
        guess = tj_size_min(
            bytes_max,
            tj_size_max(rq->body.len * TJ_BODY_RATIO_GUESS, (size_t)64 << 10));
    enum tj_body_fault fault = decode_within(rq, read, guess, room, err);
    if (fault == TJ_BODY_TOO_LARGE && guess < bytes_max) {
        guess = bytes_max;
        fault = decode_within(rq, read, guess, room, err);
    }
    if (fault == TJ_BODY_FINE)
        *taken = guess;
    return fault;
}

/* Is gzip among what Accept-Encoding lists, and not with q=0? */
static bool takes_gzip(const struct tj_request *rq)
{
    tj_str list = tj_request_header(rq, TJ_STR("Accept-Encoding"));
    while (list.len) {
        tj_str quality = tj_str_cut(&list, ',');
        tj_str name = tj_str_trim(tj_str_cut(&quality, ';'));
        if (!tj_str_eq_fold(name, TJ_STR("gzip")))
            continue;
        quality = tj_str_trim(quality);
        double q = 1;
        if (tj_str_starts(quality, TJ_STR("q=")) &&
            tj_str_to_double(tj_str_slice(quality, 2, quality.len), &q))
            return q > 0;
        return true;
    }
    return false;
}

void tj_body_encode(const struct tj_request *rq, struct tj_answer *out)
{
    struct tj_err ignored;
    tj_str zipped;
    bool text = tj_str_starts(out->content_type, TJ_STR("application/json")) ||
                tj_str_starts(out->content_type, TJ_STR("text/"));
    if (!text || out->body.len < TJ_COMPRESS_BYTES_MIN || !takes_gzip(rq))
        return;
    for (size_t i = 0; i < out->header_count; i++)
        if (tj_str_eq_fold(out->headers[i].name, TJ_STR("Content-Encoding")))
            return;
    if (!tj_deflate_gzip_fast(out->body, rq->arena, &zipped, &ignored) ||
        zipped.len >= out->body.len)
        return;
    out->body = zipped;
    tj_answer_header(out, TJ_STR("Content-Encoding"), TJ_STR("gzip"));
    tj_answer_header(out, TJ_STR("Vary"), TJ_STR("Accept-Encoding"));
}
