/* test_payload.c - ropes, blocks, segments: there and back, and broken.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include "store/bytes.h"
#include "store/payload.h"
#include "store/segment.h"

enum { TEXTS_MAX = 4096 };

struct world {
    struct tj_arena a;
    struct tj_payload_writer *w;
    tj_str texts[TEXTS_MAX];
    uint64_t locators[TEXTS_MAX];
    size_t count;
    tj_str blocks[256];
    size_t block_count;
    size_t block_reads;
    tj_str ropes;
    struct tj_payload p;
};

static bool give_block(void *context, size_t index, tj_str *out,
                       struct tj_err *err)
{
    struct world *x = context;
    if (index >= x->block_count)
        return tj_fail(err, TJ_E_BACKEND, "no block %zu", index);
    x->block_reads++;
    *out = x->blocks[index];
    return true;
}

static struct world *world_new(void)
{
    struct world *x = test_calloc(1, sizeof *x);
    x->w = tj_payload_writer_new(&x->a);
    return x;
}

static void world_free(struct world *x)
{
    tj_arena_release(&x->a);
    test_free(x);
}

static void put(struct world *x, const char *name, tj_str text)
{
    x->texts[x->count] = text;
    x->locators[x->count++] = tj_payload_add(x->w, tj_str_c(name), text);
}

static void finish(struct world *x)
{
    struct tj_err err = {0};
    struct tj_buf ropes;
    char *room = tj_arena_alloc(&x->a, TJ_PAYLOAD_BLOCK_BYTES);
    tj_str block;
    while (tj_payload_next_block(x->w, room, &block))
        x->blocks[x->block_count++] = tj_str_dup(&x->a, block);
    tj_buf_init(&ropes, &x->a, SIZE_MAX);
    tj_payload_ropes_write(x->w, &ropes);
    x->ropes = tj_buf_str(&ropes);
    x->p = (struct tj_payload){
        .bytes = tj_payload_bytes(x->w), .block = give_block, .context = x};
    assert_ok(tj_payload_ropes_parse(&x->p, x->ropes, &x->a, &err), err);
}

static void check_range(struct world *x, size_t i, size_t offset, size_t len)
{
    struct tj_err err = {0};
    tj_str want = tj_str_slice(x->texts[i], offset, len);
    struct tj_payload_range range = {x->locators[i], offset, want.len};
    tj_str got = {0};
    assert_ok(tj_payload_read(&x->p, &range, &x->a, &got, &err), err);
    assert_true(tj_str_eq(got, want));
}

static void check_all(struct world *x)
{
    for (size_t i = 0; i < x->count; i++) {
        size_t len = x->texts[i].len;
        check_range(x, i, 0, len);
        check_range(x, i, len / 3, len / 2);
        check_range(x, i, len - (len > 0), 1);
    }
}

static void short_texts_come_back(void **state)
{
    (void)state;
    struct world *x = world_new();
    put(x, "name", TJ_STR(""));
    put(x, "name", TJ_STR("a"));
    put(x, "input", TJ_STR("with \0 inside"));
    put(x, "name", TJ_STR("a"));
    finish(x);
    assert_int_equal(x->p.rope_count, 0);
    check_all(x);
    world_free(x);
}

static void a_history_is_stored_once(void **state)
{
    (void)state;
    struct world *x = world_new();
    tj_str all = noise(&x->a, 1000000, 5);
    for (size_t i = 1; i <= 100; i++) {
        tj_str part = tj_str_slice(all, 0, i * 10000);
        put(x, "input", tj_str_printf(&x->a, "%.*s\n", TJ_STR_ARG(part)));
    }
    put(x, "other", x->texts[99]);
    finish(x);
    assert_int_equal(tj_payload_bytes(x->w), 1000100);
    assert_int_equal(x->p.rope_count, 99);
    assert_true(x->locators[100] == x->locators[99]);
    check_all(x);
    /* A range of the newest costs its own block. */
    x->block_reads = 0;
    check_range(x, 99, 999000, 500);
    assert_int_equal(x->block_reads, 1);
    world_free(x);
}

static void texts_that_only_resemble(void **state)
{
    (void)state;
    struct world *x = world_new();
    tj_str base = noise(&x->a, 5000, 6);
    uint64_t r = 7;
    for (size_t i = 0; i < 500; i++) {
        r = r * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t keep = (size_t)(r >> 33) % 5000;
        char *text = tj_cstr(&x->a, base);
        for (size_t k = keep; k < 5000; k++)
            text[k] = (char)('a' + (k * i) % 26);
        put(x, i % 2 ? "input" : "output",
            (tj_str){text, (size_t)(r >> 20) % 5001});
    }
    finish(x);
    check_all(x);
    world_free(x);
}

/* What a third text shares with the second, which leans on the first, ends
 * before, at and behind the place where the second goes its own way. */
static void ropes_of_ropes(void **state)
{
    (void)state;
    for (size_t shared = 98; shared <= 103; shared++) {
        struct world *x = world_new();
        tj_str head = noise(&x->a, 100, 11);
        tj_str texts[3];
        for (size_t i = 0; i < 3; i++)
            texts[i] = tj_str_printf(&x->a, "%s%.*s", head.ptr, 200,
                                     noise(&x->a, 200, i).ptr);
        char *third = tj_cstr(&x->a, texts[2]);
        memcpy(third, texts[1].ptr, shared);
        third[shared] = (char)(texts[1].ptr[shared] ^ 1);
        put(x, "a", texts[0]);
        put(x, "b", texts[1]);
        put(x, "c", (tj_str){third, texts[2].len});
        finish(x);
        check_all(x);
        for (size_t at = 95; at < 110; at++)
            check_range(x, 2, at, 10);
        world_free(x);
    }
}

static void chains_end(void **state)
{
    (void)state;
    struct world *x = world_new();
    tj_str all = noise(&x->a, 4000 * 10 + 100, 8);
    for (size_t i = 0; i < 4000; i++)
        put(x, "input", tj_str_slice(all, 0, 100 + i * 10));
    finish(x);
    check_range(x, 3999, 0, SIZE_MAX);
    check_range(x, 1024, 0, SIZE_MAX);
    assert_true(tj_payload_bytes(x->w) < 300000);
    world_free(x);
}

static void refuses_broken_ropes(void **state)
{
    (void)state;
    struct world *x = world_new();
    struct tj_err err;
    tj_str out;
    for (size_t i = 1; i < 20; i++)
        put(x, "input", noise(&x->a, i * 100, 9));
    finish(x);
    struct tj_payload p = {.bytes = x->p.bytes};
    assert_fails(
        tj_payload_ropes_parse(&p, TJ_STR("\x01\x01\x01\x01"), &x->a, &err),
        err, TJ_E_BACKEND, "later one");
    assert_fails(
        tj_payload_ropes_parse(&p, TJ_STR("\xff\xff\xff\x7f"), &x->a, &err),
        err, TJ_E_BACKEND, "more ropes than bytes");
    assert_fails(
        tj_payload_ropes_parse(&p, TJ_STR("\x01\x02\x02\x02\x02"), &x->a, &err),
        err, TJ_E_BACKEND, "another length");
    const struct tj_payload_range ranges[] = {
        {x->p.bytes, 0, 1},
        {0, x->p.bytes, 1},
        {UINT64_MAX >> 1, 5, 10},
        {TJ_PAYLOAD_ROPE | 9999, 0, 1},
        {TJ_PAYLOAD_ROPE | 3, x->p.bytes, 500},
        {0, UINT64_MAX - 2, 9},
        {0, 0, UINT64_MAX},
        {0, 0, UINT64_C(1) << 50},
    };
    for (size_t i = 0; i < TJ_COUNT(ranges); i++)
        assert_fails(tj_payload_read(&x->p, &ranges[i], &x->a, &out, &err), err,
                     TJ_E_BACKEND, "");
    x->blocks[0].len--;
    struct tj_payload_range whole = {0, 0, 100};
    assert_fails(tj_payload_read(&x->p, &whole, &x->a, &out, &err), err,
                 TJ_E_BACKEND, "another length");
    world_free(x);
}

static void numbers_latch(void **state)
{
    (void)state;
    struct tj_bytes b = tj_bytes_open(
        TJ_STR("\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x80"));
    assert_int_equal(tj_bytes_take(&b), 5);
    assert_true(tj_bytes_take(&b) == UINT64_MAX);
    assert_false(b.bad);
    assert_int_equal(tj_bytes_take(&b), 0);
    assert_true(b.bad);
    b = tj_bytes_open(TJ_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01"));
    assert_int_equal(tj_bytes_take(&b), 0);
    assert_true(b.bad);
    b = tj_bytes_open(TJ_STR(""));
    assert_int_equal(tj_bytes_take(&b), 0);
    assert_false(b.bad);
    assert_null(tj_bytes_skip(&b, 1));
    const int64_t numbers[] = {0, -1, 1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < TJ_COUNT(numbers); i++)
        assert_true(tj_unzigzag(tj_zigzag(numbers[i])) == numbers[i]);
}

/* Every flipped bit and every cut of a segment is an error or another
 * segment, never a crash; what it gives can be used. */
static void broken_segments(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_batch b;
    struct tj_buf heads;
    struct tj_buf fields;
    uint64_t digests[20] = {0};
    uint64_t key = 77;
    batch_init(&b, &a);
    for (uint32_t i = 1; i <= 20; i++) {
        struct tj_span *s = add_span(&b, 1, i, i / 2);
        add_field(s, "input", noise(&a, 50 + i, i));
        add_shared(s, "attributes.x", 0);
        add_field(s, "output", noise(&a, 100, 1));
        s->resource = 0;
        s->model = TJ_STR("model");
        s->events = tj_arena_array(&a, struct tj_event, 1);
        s->event_count = 1;
    }
    tj_buf_init(&heads, &a, SIZE_MAX);
    tj_buf_init(&fields, &a, SIZE_MAX);
    struct tj_segment_in in = {b.spans.items, digests, 20, &key, 1};
    assert_ok(
        tj_segment_write(&in, tj_payload_writer_new(&a), &heads, &fields, &err),
        err);
    size_t total = heads.len + fields.len;
    for (size_t n = 0; n < total * 9; n++) {
        struct tj_arena step = {0};
        struct tj_fold f;
        struct tj_segment_keys keys;
        struct tj_segment_fields tables;
        tj_str h = tj_str_make(tj_cstr(&step, tj_buf_str(&heads)), heads.len);
        tj_str t = tj_str_make(tj_cstr(&step, tj_buf_str(&fields)), fields.len);
        size_t at = n / 9;
        tj_str *broken = at < heads.len ? &h : &t;
        size_t offset = at < heads.len ? at : at - heads.len;
        if (n % 9 < 8) {
            char *bytes = tj_cstr(&step, *broken);
            bytes[offset] = (char)(bytes[offset] ^ (1 << n % 9));
            broken->ptr = bytes;
        } else {
            broken->len = offset;
        }
        tj_fold_init(&f, 20, &step);
        if (tj_segment_heads_parse(h, 20, 0, &f, &keys, &err) &&
            tj_segment_fields_parse(t, 20, &step, &tables, &err)) {
            for (size_t i = 0; i < 20; i++)
                (void)!tj_segment_fields_read(&tables, i, &step, &f.spans[i],
                                              &err);
        } else {
            assert_int_equal(err.code, TJ_E_BACKEND);
        }
        tj_arena_release(&step);
    }
    tj_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_texts_come_back),
        cmocka_unit_test(a_history_is_stored_once),
        cmocka_unit_test(texts_that_only_resemble),
        cmocka_unit_test(ropes_of_ropes),
        cmocka_unit_test(chains_end),
        cmocka_unit_test(refuses_broken_ropes),
        cmocka_unit_test(numbers_latch),
        cmocka_unit_test(broken_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
