/* test_body.c - targets, content codings, and gzip for large answers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "request_fixture.h"
#include "serve/body.h"
#include "text/inflate.h"

static void targets(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    struct tj_err err;
    struct tj_request *rq = make_request(&f, TJ_METHOD_GET, "", NULL);
    assert_ok(
        tj_target_parse(TJ_STR("/a%20b?x=1+2&x=%41%zz&&y&=v&%"), rq, &err),
        err);
    assert_str_eq(rq->path, "/a%20b");
    assert_int_equal(rq->param_count, 5);
    assert_str_eq(tj_request_param(rq, TJ_STR("x")), "1 2");
    assert_str_eq(rq->params[1].value, "A%zz");
    assert_str_eq(rq->params[2].name, "y");
    assert_str_eq(rq->params[2].value, "");
    assert_str_eq(rq->params[4].name, "%");
    assert_ok(tj_target_parse(TJ_STR("HTTP://h:1/p?q"), rq, &err), err);
    assert_str_eq(rq->path, "/p");
    assert_ok(tj_target_parse(TJ_STR("http://h"), rq, &err), err);
    assert_str_eq(rq->path, "/");
    assert_ok(tj_target_parse(TJ_STR("*"), rq, &err), err);
    assert_fails(tj_target_parse(TJ_STR("p"), rq, &err), err, TJ_E_INPUT,
                 "not a path");
    assert_fails(tj_target_parse(TJ_STR(""), rq, &err), err, TJ_E_INPUT,
                 "not a path");
    char *many = tj_arena_alloc(&f.arena, 1000);
    memset(many, 'a', 1000);
    for (size_t i = 0; i < 1000; i += 2)
        many[i] = i ? '&' : '?';
    tj_str target = tj_str_printf(&f.arena, "/%.*s", 1000, many);
    assert_fails(tj_target_parse(target, rq, &err), err, TJ_E_LIMIT,
                 "query parameters");
    tj_arena_release(&f.arena);
}

/* The body's length when it is fine, else minus the fault. */
static long decoded(struct request_fixture *f, const char *coding, tj_str body,
                    struct tj_room *room, size_t bytes_max)
{
    struct tj_err err;
    size_t taken = 0;
    const char *headers[] = {"content-encoding", coding, NULL};
    struct tj_request *rq = make_request(f, TJ_METHOD_POST, "/", headers);
    rq->body = body;
    enum tj_body_fault fault =
        tj_body_decode(rq, bytes_max, room, &taken, &err);
    assert_int_equal(atomic_load(&room->used_bytes), taken);
    assert_true(fault == TJ_BODY_FINE || taken == 0);
    tj_room_give(room, taken);
    return fault == TJ_BODY_FINE ? (long)rq->body.len : -(long)fault;
}

static tj_str zipped(struct request_fixture *f, size_t size)
{
    struct tj_err err;
    tj_str out;
    char *zeros = tj_arena_zero(&f->arena, size);
    assert_ok(
        tj_deflate_gzip_fast((tj_str){zeros, size}, &f->arena, &out, &err),
        err);
    return out;
}

static void codings(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    struct tj_room room = {.bytes_max = 1 << 22};
    tj_str body = TJ_STR("hello");
    size_t max = 1 << 20;
    assert_int_equal(decoded(&f, "", body, &room, max), 5);
    assert_int_equal(decoded(&f, "identity", body, &room, max), 5);
    assert_int_equal(decoded(&f, "br", body, &room, max), -TJ_BODY_UNKNOWN);
    assert_int_equal(decoded(&f, "gzip, gzip", body, &room, max),
                     -TJ_BODY_UNKNOWN);
    assert_int_equal(decoded(&f, "gzip", body, &room, max), -TJ_BODY_BROKEN);
    assert_int_equal(decoded(&f, "zstd", body, &room, max), -TJ_BODY_BROKEN);
    assert_int_equal(decoded(&f, "gzip", TJ_STR(""), &room, max), 0);
    assert_int_equal(decoded(&f, "GZip", zipped(&f, 1000), &room, max), 1000);
    /* Grows far more than is guessed at first. */
    assert_int_equal(decoded(&f, "gzip", zipped(&f, max), &room, max),
                     (long)max);
    assert_int_equal(decoded(&f, "gzip", zipped(&f, max + 1), &room, max),
                     -TJ_BODY_TOO_LARGE);
    tj_arena_release(&f.arena);
}

static void room_is_taken_first(void **state)
{
    (void)state;
    struct request_fixture f = {0};
    struct tj_room room = {.bytes_max = 1 << 20};
    tj_str small = zipped(&f, 1000);
    tj_str large = zipped(&f, 1 << 20);
    assert_int_equal(decoded(&f, "gzip", large, &room, 1 << 21),
                     -TJ_BODY_NO_ROOM);
    assert_int_equal(decoded(&f, "gzip", small, &room, 1 << 21), 1000);
    room.bytes_max = 100;
    assert_int_equal(decoded(&f, "gzip", small, &room, 1 << 21),
                     -TJ_BODY_NO_ROOM);
    tj_arena_release(&f.arena);
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *accepts;
        bool zips;
    } cases[] = {
        {"gzip", true},       {"deflate, GZIP", true}, {"gzip;q=0.1", true},
        {"gzip; q=0", false}, {"gzip;q=0.000", false}, {"identity", false},
        {"", false},          {"agzip", false},        {"*", false},
    };
    struct request_fixture f = {0};
    struct tj_err err;
    tj_str text = tj_str_printf(&f.arena, "%9000d", 7);
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        const char *headers[] = {"Accept-Encoding", cases[i].accepts, NULL};
        struct tj_request *rq = make_request(&f, TJ_METHOD_GET, "/", headers);
        tj_str back;
        tj_answer_json(&f.answer, 200, text);
        tj_body_encode(rq, &f.answer);
        if ((f.answer.body.len < 1000) != cases[i].zips)
            fail_msg("Accept-Encoding: %s", cases[i].accepts);
        if (!cases[i].zips)
            continue;
        assert_str_eq(f.answer.headers[0].value, "gzip");
        assert_ok(tj_inflate(f.answer.body, 9000, &f.arena, &back, &err), err);
        assert_true(tj_str_eq(back, text));
        /* Neither small ones nor what is compressed already. */
        tj_answer_json(&f.answer, 200, tj_str_slice(text, 0, 4000));
        tj_body_encode(rq, &f.answer);
        assert_int_equal(f.answer.body.len, 4000);
        f.answer.content_type = TJ_STR("application/octet-stream");
        f.answer.body = text;
        tj_body_encode(rq, &f.answer);
        assert_int_equal(f.answer.body.len, 9000);
    }
    tj_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(codings),
        cmocka_unit_test(room_is_taken_first),
        cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
