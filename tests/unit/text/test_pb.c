/* test_pb.c - the wire format: against protoc, and everything hostile.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/limits.h"
#include "text/pb.h"

/* One line per field, "number:wire=value", nested as the test asks. */
static tj_str dump(struct tj_arena *a, tj_str message)
{
    struct tj_buf b;
    tj_buf_init(&b, a, 1 << 20);
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb)) {
        tj_buf_fmt(&b, "%u:%d=", pb.number, (int)pb.wire);
        if (pb.wire == TJ_PB_BYTES)
            tj_buf_add(&b, pb.bytes);
        else
            tj_buf_u64(&b, pb.value);
        tj_buf_byte(&b, '\n');
    }
    if (pb.failed)
        tj_buf_add(&b, TJ_STR("failed"));
    return tj_buf_str(&b);
}

#define BYTES(literal) tj_str_make(literal, sizeof(literal) - 1)

static void every_wire_type(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    assert_str_eq(dump(&a, BYTES("\x08\x96\x01")), "1:0=150\n");
    assert_str_eq(dump(&a, BYTES("\x12\x02hi\x12\x00")), "2:2=hi\n2:2=\n");
    assert_str_eq(dump(&a, BYTES("\x0d\x01\x02\x03\x04")), "1:5=67305985\n");
    assert_str_eq(dump(&a, BYTES("\x09\x01\0\0\0\0\0\0\x80")),
                  "1:1=9223372036854775809\n");
    assert_str_eq(dump(&a, BYTES("")), "");
    assert_str_eq(dump(&a, (tj_str){0}), "");
    /* The largest field number, the largest varint, and longer spellings
     * than needed: of a tag, of a value, of a length. */
    assert_str_eq(dump(&a, BYTES("\xf8\xff\xff\xff\x0f\x01")),
                  "536870911:0=1\n");
    assert_str_eq(
        dump(&a, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
        "1:0=18446744073709551615\n");
    assert_str_eq(dump(&a, BYTES("\x88\x80\x00\x81\x80\x00")), "1:0=1\n");
    assert_str_eq(dump(&a, BYTES("\x12\x81\x80\x80\x00x")), "2:2=x\n");
    double d = -1.5;
    struct tj_buf b;
    tj_buf_init(&b, &a, 100);
    uint64_t bits = 0;
    memcpy(&bits, &d, sizeof bits);
    tj_pb_put_fixed64(&b, 4, bits);
    struct tj_pb pb = tj_pb_open(tj_buf_str(&b));
    assert_true(tj_pb_field(&pb));
    assert_true(tj_pb_double(&pb) == d);
    tj_arena_release(&a);
}

static void groups_are_skipped(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    /* 1{ 2:varint 3{ 4:bytes } } 5:varint */
    assert_str_eq(dump(&a, BYTES("\x0b\x10\x07\x1b\x22\x01x\x1c\x0c\x28\x09")),
                  "5:0=9\n");
    assert_str_eq(dump(&a, BYTES("\x0b\x0c")), "");
    tj_arena_release(&a);
}

struct bad {
    tj_str bytes;
    const char *part;
};

static void broken_messages(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        {TJ_STR_INIT("\x08"), "offset 1: the data ends inside a varint"},
        {TJ_STR_INIT("\x08\x80\x80"),
         "offset 1: the data ends inside a varint"},
        {TJ_STR_INIT("\x80"), "offset 0: the data ends inside a varint"},
        {TJ_STR_INIT("\x08\x01\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
         "offset 3: a varint is over 64 bits"},
        {TJ_STR_INIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00"),
         "offset 1: a varint is over 10 bytes"},
        {TJ_STR_INIT("\x12\x02x"), "offset 1: a length is over what is left"},
        {TJ_STR_INIT("\x12\xff\xff\xff\xff\x0f"),
         "offset 1: a length is over what is left"},
        {TJ_STR_INIT("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
         "offset 1: a length is over what is left"},
        {TJ_STR_INIT("\x09\x01\x02\x03\x04\x05\x06\x07"),
         "offset 1: the data ends inside a number"},
        {TJ_STR_INIT("\x0d\x01\x02\x03"),
         "offset 1: the data ends inside a number"},
        {TJ_STR_INIT("\x00\x01"), "offset 0: a field number is out of range"},
        {TJ_STR_INIT("\x80\x80\x80\x80\x10\x01"),
         "offset 0: a field number is out of range"},
        {TJ_STR_INIT("\x0e\x01"), "offset 0: a wire type is unknown"},
        {TJ_STR_INIT("\x0f\x01"), "offset 0: a wire type is unknown"},
        {TJ_STR_INIT("\x08\x01\x0c"), "offset 2: a group end matches no start"},
        {TJ_STR_INIT("\x0b\x14"), "offset 1: a group end matches no start"},
        {TJ_STR_INIT("\x0b\x10\x01"), "offset 3: the data ends inside a group"},
        {TJ_STR_INIT("\x0b\x12\x7f"),
         "offset 2: a length is over what is left"},
    };
    for (size_t i = 0; i < TJ_COUNT(bad); i++) {
        struct tj_err err = {0};
        struct tj_pb pb = tj_pb_open(bad[i].bytes);
        while (tj_pb_field(&pb))
            ;
        if (!pb.failed)
            fail_msg("case %zu is accepted", i);
        assert_false(tj_pb_field(&pb));
        assert_fails(tj_pb_fail(&pb, bad[i].bytes, &err), err, TJ_E_INPUT,
                     bad[i].part);
    }
}

/* Groups open 100 deep are skipped, one more is refused, a million cost no
 * stack. */
static void group_depth(void **state)
{
    (void)state;
    struct tj_arena a = {0};
    size_t depths[] = {TJ_PB_DEPTH_MAX, TJ_PB_DEPTH_MAX + 1, 1000000};
    for (size_t i = 0; i < TJ_COUNT(depths); i++) {
        struct tj_buf b;
        tj_buf_init(&b, &a, 4 << 20);
        tj_buf_repeat(&b, '\x0b', depths[i]);
        tj_buf_repeat(&b, '\x0c', depths[i]);
        struct tj_pb pb = tj_pb_open(tj_buf_str(&b));
        assert_false(tj_pb_field(&pb));
        if (i == 0)
            assert_null(pb.failed);
        else
            assert_string_equal(pb.failed, "groups are nested too deeply");
    }
    tj_arena_release(&a);
}

/* The offset of a failure in a nested message counts from the outermost. */
static void nested_offsets(void **state)
{
    (void)state;
    struct tj_err err = {0};
    tj_str whole = BYTES("\x08\x01\x12\x04\x0a\x02x\x80");
    struct tj_pb outer = tj_pb_open(whole);
    assert_true(tj_pb_field(&outer));
    assert_true(tj_pb_field(&outer));
    struct tj_pb inner = tj_pb_open(outer.bytes);
    assert_true(tj_pb_field(&inner));
    struct tj_pb innermost = tj_pb_open(inner.bytes);
    assert_false(tj_pb_field(&innermost));
    assert_fails(tj_pb_fail(&innermost, whole, &err), err, TJ_E_INPUT,
                 "offset 7: ");
}

static void every_cut_is_seen(void **state)
{
    (void)state;
    tj_str whole = BYTES("\x08\x96\x01\x12\x05hello\x0d\x01\x02\x03\x04");
    for (size_t n = 0; n <= whole.len; n++) {
        struct tj_pb pb = tj_pb_open(tj_str_slice(whole, 0, n));
        while (tj_pb_field(&pb))
            ;
        bool between = n == 0 || n == 3 || n == 10 || n == whole.len;
        assert_int_equal(pb.failed == NULL, between);
    }
}

/* -- against protoc -------------------------------------------------------- */

static const char proto[] =
    "syntax = \"proto3\";\n"
    "message Leaf { string name = 1; bytes raw = 2; repeated int32 n = 3; }\n"
    "message All { uint64 u = 1; sint64 s = 2; int32 i = 3; bool b = 4;\n"
    "  double d = 5; fixed32 f = 6; fixed64 g = 7; string t = 8;\n"
    "  Leaf leaf = 9; repeated Leaf more = 1000; int64 far = 536870911; }\n";

static const char text_form[] =
    "u: 18446744073709551615 s: -3 i: -1 b: true d: 0.1 f: 7\n"
    "g: 1727174400000000000 t: \"gr\\303\\274n\"\n"
    "leaf { name: \"x\" raw: \"\\001\\377\" n: 1 n: 300 }\n"
    "more { name: \"a\" } more { } far: 5\n";

/* Runs protoc in dir with files in and out as its input and output. */
static bool run_protoc(const char *dir, const char *what)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(dir) || dup2(open("in", O_RDONLY), 0) < 0 ||
            dup2(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1) < 0)
            _exit(126);
        execlp("protoc", "protoc", what, "t.proto", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

struct place {
    struct tj_arena a;
    char dir[64];
};

static const char *in_place(struct place *p, const char *name)
{
    return tj_str_printf(&p->a, "%s/%s", p->dir, name).ptr;
}

static void make_place(struct place *p)
{
    struct tj_err err = {0};
    (void)snprintf(p->dir, sizeof p->dir, "./test_pb_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_ok(tj_file_write(in_place(p, "t.proto"), tj_str_c(proto), &err),
              err);
}

static void drop_place(struct place *p)
{
    (void)unlink(in_place(p, "t.proto"));
    (void)unlink(in_place(p, "in"));
    (void)unlink(in_place(p, "out"));
    (void)rmdir(p->dir);
    tj_arena_release(&p->a);
}

static bool have_protoc(void)
{
    struct place p = {0};
    struct tj_err err = {0};
    make_place(&p);
    bool ok = tj_file_write(in_place(&p, "in"), TJ_STR("u: 1"), &err) &&
              run_protoc(p.dir, "--encode=All");
    drop_place(&p);
    return ok;
}

static void skip_without_protoc(void)
{
    if (have_protoc())
        return;
    print_message("# skipped: no protoc on this machine\n");
    skip();
}

static tj_str field_bytes(tj_str message, uint32_t number)
{
    struct tj_pb pb = tj_pb_open(message);
    while (tj_pb_field(&pb))
        if (pb.number == number && pb.wire == TJ_PB_BYTES)
            return pb.bytes;
    fail_msg("no field %u", number);
    return (tj_str){0};
}

static void protoc_writes_we_read(void **state)
{
    (void)state;
    skip_without_protoc();
    struct place p = {0};
    struct tj_err err = {0};
    tj_str bytes = {0};
    make_place(&p);
    assert_ok(tj_file_write(in_place(&p, "in"), tj_str_c(text_form), &err),
              err);
    assert_true(run_protoc(p.dir, "--encode=All"));
    assert_ok(tj_file_read(in_place(&p, "out"), 4096, &p.a, &bytes, &err), err);
    assert_str_eq(dump(&p.a, bytes),
                  "1:0=18446744073709551615\n"
                  "2:0=5\n" /* zigzag of -3 */
                  "3:0=18446744073709551615\n"
                  "4:0=1\n"
                  "5:1=4591870180066957722\n"
                  "6:5=7\n"
                  "7:1=1727174400000000000\n"
                  "8:2=gr\xc3\xbcn\n"
                  "9:2=\x0a\x01x\x12\x02\x01\xff\x1a\x03\x01\xac\x02\n"
                  "1000:2=\x0a\x01"
                  "a\n"
                  "1000:2=\n"
                  "536870911:0=5\n");
    tj_str leaf = field_bytes(bytes, 9);
    assert_str_eq(field_bytes(leaf, 1), "x");
    assert_true(leaf.ptr > bytes.ptr);
    assert_true(leaf.ptr < bytes.ptr + bytes.len);
    drop_place(&p);
}

static void we_write_protoc_reads(void **state)
{
    (void)state;
    skip_without_protoc();
    struct place p = {0};
    struct tj_err err = {0};
    struct tj_buf leaf;
    struct tj_buf all;
    make_place(&p);
    tj_buf_init(&leaf, &p.a, 100);
    tj_pb_put_bytes(&leaf, 1, TJ_STR("x"));
    tj_pb_put_bytes(&leaf, 2, TJ_STR(""));
    tj_buf_init(&all, &p.a, 1000);
    tj_pb_put_varint(&all, 1, UINT64_MAX);
    tj_pb_put_varint(&all, 3, 128);
    tj_pb_put_fixed64(&all, 7, UINT64_C(1727174400000000000));
    tj_pb_put_bytes(&all, 9, tj_buf_str(&leaf));
    tj_pb_put_varint(&all, 536870911, 0);
    assert_ok(tj_file_write(in_place(&p, "in"), tj_buf_str(&all), &err), err);
    assert_true(run_protoc(p.dir, "--decode=All"));
    tj_str text = {0};
    assert_ok(tj_file_read(in_place(&p, "out"), 4096, &p.a, &text, &err), err);
    assert_str_eq(text, "u: 18446744073709551615\n"
                        "i: 128\n"
                        "g: 1727174400000000000\n"
                        "leaf {\n"
                        "  name: \"x\"\n"
                        "}\n");
    drop_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wire_type),
        cmocka_unit_test(groups_are_skipped),
        cmocka_unit_test(broken_messages),
        cmocka_unit_test(group_depth),
        cmocka_unit_test(nested_offsets),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(protoc_writes_we_read),
        cmocka_unit_test(we_write_protoc_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
