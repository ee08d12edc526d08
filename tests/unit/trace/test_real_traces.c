/* test_real_traces.c - every real trace that we have, and what it must give.
 * SPDX-License-Identifier: Apache-2.0
 *
 * tests/cases/real_traces.txt says for each file that is a trace its format
 * and how many traces, spans and assessments it holds; every other file of
 * the folder is none and must be refused.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "parsed_test.h"

#include "base/file.h"
#include "base/map.h"
#include "text/plain.h"
#include "trace/messages.h"

enum { FILE_BYTES_MAX = 64 << 20, FOLDER_DEPTH_MAX = 16 };

struct expected {
    tj_str format;
    uint64_t traces;
    uint64_t spans;
    uint64_t assessments;
    bool seen;
};

struct folder {
    struct tj_arena a;
    struct tj_map rows; /* path -> struct expected */
    size_t refused;
    size_t read;
};

static void read_table(struct folder *f)
{
    struct tj_err err = {0};
    tj_str text = {0};
    tj_str path = tj_str_printf(&f->a, "%s/tests/cases/real_traces.txt",
                                getenv("TRACEJUDGE_SOURCE"));
    assert_ok(tj_file_read(path.ptr, FILE_BYTES_MAX, &f->a, &text, &err), err);
    tj_map_init(&f->rows, &f->a);
    while (text.ptr) {
        tj_str line = tj_str_cut(&text, '\n');
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        struct expected *e = tj_arena_new(&f->a, struct expected);
        tj_str name = tj_str_cut(&line, ' ');
        bool fresh = false;
        e->format = tj_str_cut(&line, ' ');
        assert_true(tj_str_to_u64(tj_str_cut(&line, ' '), &e->traces));
        assert_true(tj_str_to_u64(tj_str_cut(&line, ' '), &e->spans));
        assert_true(tj_str_to_u64(line, &e->assessments));
        tj_map_add(&f->rows, name, &fresh)->ptr = e;
        assert_true(fresh);
    }
}

/* No field may hold what a person wrote about the run. */
static void check_no_leak(const char *path, struct tj_batch *batch,
                          const struct tj_assessment *label)
{
    if (!tj_str_eq(label->name, TJ_STR("mistake_reason")) ||
        label->value_json.len < 60)
        return;
    tj_str secret = tj_str_slice(label->value_json, 1, 50);
    tj_vec_each (&batch->spans, struct tj_span, s) {
        for (size_t i = 0; i < s->field_count; i++) {
            if (tj_str_find(s->fields[i].text, secret) != (size_t)-1)
                fail_msg("%s: a span shows its label", path);
        }
    }
}

/* What a model heard must read as a conversation. */
static void check_input(const char *path, struct parsed *p,
                        const struct tj_span *s)
{
    struct tj_json_doc doc;
    tj_parts parts = {0};
    tj_str text = field_text(s, "input");
    if (s->kind != TJ_KIND_LLM || !text.ptr)
        return;
    if (!tj_plain_parse(text, &p->a, &doc, &p->err))
        fail_msg("%s: %s", path, p->err.message);
    if (!tj_messages_read(doc.root, TJ_STR("user"), &p->a, &parts) ||
        parts.count == 0)
        fail_msg("%s: an input is no conversation", path);
}

/* Some sources say nothing of a trace but its spans' ids. */
static size_t count_traces(struct parsed *p)
{
    struct tj_map ids;
    tj_map_init(&ids, &p->a);
    bool fresh = false;
    tj_vec_each (&p->batch.spans, struct tj_span, s) {
        (void)tj_map_add(&ids,
                         tj_str_make((const char *)s->trace_id.bytes,
                                     sizeof s->trace_id.bytes),
                         &fresh);
    }
    return ids.count;
}

static void check_batch(const char *path, const struct expected *e,
                        struct parsed *p)
{
    struct tj_batch batch = p->batch;
    size_t traces = count_traces(p);
    if (!tj_str_eq(e->format, tj_str_c(p->used->name)))
        fail_msg("%s: read as %s", path, p->used->name);
    if (traces != e->traces || batch.spans.count != e->spans ||
        batch.assessments.count != e->assessments || batch.rejected_count)
        fail_msg("%s: %zu traces, %zu spans, %zu assessments, %zu rejected",
                 path, traces, batch.spans.count, batch.assessments.count,
                 batch.rejected_count);
    tj_vec_each (&batch.spans, struct tj_span, s) {
        if (s->name.len == 0 || (s->end && s->end < s->start))
            fail_msg("%s: a span has no name or ends before it starts", path);
    }
    bool steps = tj_str_eq(e->format, TJ_STR("chat")) ||
                 tj_str_eq(e->format, TJ_STR("atif")) ||
                 tj_str_eq(e->format, TJ_STR("claude-code")) ||
                 tj_str_eq(e->format, TJ_STR("swe-agent"));
    for (size_t i = 0; steps && i < batch.spans.count; i++)
        check_input(path, p, &batch.spans.items[i]);
    tj_vec_each (&batch.assessments, struct tj_assessment, as)
        check_no_leak(path, &batch, as);
}

static void check_file(struct folder *f, const char *path, tj_str name)
{
    struct parsed p = {0};
    tj_str bytes = {0};
    assert_ok(tj_file_read(path, FILE_BYTES_MAX, &p.a, &bytes, &p.err), p.err);
    struct tj_map_entry *row = tj_map_find(&f->rows, name);
    bool ok = tj_format_parse(NULL, bytes, &p.a, &p.batch, &p.used, &p.err);
    if (row) {
        struct expected *e = row->ptr;
        if (!ok)
            fail_msg("%s: %s", path, p.err.message);
        check_batch(path, e, &p);
        e->seen = true;
        f->read++;
    } else {
        if (ok)
            fail_msg("%s: is no trace, but was read as %s", path, p.used->name);
        assert_int_equal(p.err.code, TJ_E_INPUT);
        assert_has(tj_str_c(p.err.message), "offset ");
        assert_has(tj_str_c(p.err.message), "expected ");
        f->refused++;
    }
    parsed_free(&p);
}

static void walk(struct folder *f, tj_str root, tj_str below, int depth)
{
    assert_true(depth < FOLDER_DEPTH_MAX);
    tj_str path =
        tj_str_printf(&f->a, "%.*s/%.*s", TJ_STR_ARG(root), TJ_STR_ARG(below));
    DIR *dir = opendir(path.ptr);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        tj_str name = below.len ? tj_str_printf(&f->a, "%.*s/%s",
                                                TJ_STR_ARG(below), e->d_name)
                                : tj_str_printf(&f->a, "%s", e->d_name);
        tj_str full =
            tj_str_printf(&f->a, "%.*s/%s", TJ_STR_ARG(path), e->d_name);
        assert_int_equal(stat(full.ptr, &st), 0);
        if (S_ISDIR(st.st_mode))
            walk(f, root, name, depth + 1);
        else
            check_file(f, full.ptr, name);
    }
    (void)closedir(dir);
}

static void every_file(void **state)
{
    (void)state;
    struct folder f = {0};
    const char *shared = TJ_TEST_SHARED();
    if (!shared) {
        print_message("# no folder of real traces (TRACEJUDGE_SHARED)\n");
        skip();
    }
    read_table(&f);
    walk(&f, tj_str_printf(&f.a, "%s/traces", shared), TJ_STR(""), 0);
    for (size_t i = 0; i < f.rows.count; i++) {
        const struct expected *e = f.rows.entries[i].ptr;
        if (!e->seen)
            fail_msg("%.*s is missing", TJ_STR_ARG(f.rows.entries[i].key));
    }
    assert_int_equal(f.read, f.rows.count);
    assert_true(f.refused > 0);
    tj_arena_release(&f.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
