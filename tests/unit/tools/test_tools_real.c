/* test_tools_real.c - every tool on every real trace that imports.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is known of these traces but what must hold for any: replies are
 * bounded, valid and repeat, proofs verify, turns can be quoted, sums agree.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tools_test.h"

#include "base/file.h"
#include "text/utf8.h"
#include "tools/conversation.h"
#include "tools/overview.h"
#include "tools/problems.h"
#include "tools/tool_int.h"
#include "trace/format.h"

enum {
    DEPTH_MAX = 6,
    FILE_BYTES_MAX = 6 << 20,
    FILES_PER_FOLDER = 6,
    TRACES_PER_FILE = 3,
};

static size_t traces_seen;

static void check_proofs(struct fixture *f)
{
    struct tj_problem_options options = {0};
    struct tj_err err = {0};
    tj_problems list;
    assert_ok(tj_problems_find(&f->trace, &options, &f->arena, &list, &err),
              err);
    tj_vec_each (&list, struct tj_problem, p) {
        assert_true(p->spans.count > 0);
        tj_vec_each (&p->proofs, struct tj_proof, proof) {
            tj_str text;
            assert_ok(
                tj_span_text(&f->trace, proof->span, proof->field, &text, &err),
                err);
            if (tj_str_find(text, proof->quote) == (size_t)-1)
                fail_msg("%.*s: not in %.*s", TJ_STR_ARG(p->title),
                         TJ_STR_ARG(proof->field));
        }
    }
}

static void check_turns(struct fixture *f)
{
    struct tj_err err = {0};
    tj_turns turns;
    assert_ok(tj_conversation_read(&f->trace, &f->arena, &turns, &err), err);
    tj_vec_each (&turns, struct tj_turn, t) {
        tj_str text;
        if (t->offset == UINT64_MAX)
            continue;
        assert_ok(
            tj_field_text(&f->trace, t->span, (size_t)t->field, &text, &err),
            err);
        assert_true(
            tj_str_eq(tj_str_slice(text, (size_t)t->offset, t->part.text.len),
                      t->part.text));
    }
}

static void check_tools(struct fixture *f)
{
    static const struct {
        const char *tool;
        const char *args;
    } calls[] = {
        {"get_trace_info", ""},
        {"get_root_span", ""},
        {"list_spans", "{\"previews\":true}"},
        {"list_spans", "{\"sort\":\"duration\"}"},
        {"search_trace_regex", "{\"pattern\":\"error|fail\\\\w*\"}"},
        {"get_span_performance_and_timing_report", ""},
        {"find_problems", ""},
        {"find_problems", "{\"format\":\"json\"}"},
        {"get_critical_path", ""},
        {"get_conversation", ""},
    };
    for (size_t i = 0; i < TJ_COUNT(calls); i++) {
        struct tj_tool_reply first = ask(f, calls[i].tool, calls[i].args);
        struct tj_tool_reply again = ask(f, calls[i].tool, calls[i].args);
        assert_true(first.text.len <= TJ_TOOL_RESULT_BYTES_MAX);
        assert_int_equal(tj_utf8_valid(first.text), first.text.len);
        assert_true(tj_str_eq(first.text, again.text));
        assert_false(first.refused);
    }
    struct tj_coverage_sum sum = tj_coverage_sum(f->coverage, &f->trace);
    assert_true(sum.bytes_read <= sum.bytes_total);
    assert_true(sum.spans_listed <= sum.spans_total);
    struct tj_buf b;
    tj_buf_init(&b, &f->step, 1 << 16);
    tj_overview_write(&f->trace, 4096, &b);
    assert_true(b.len <= 4096);
}

static void check_trace(struct fixture *f, tj_trace_id id)
{
    struct tj_err err = {0};
    f->trace = (struct tj_trace){0};
    assert_ok(tj_store_open_trace(f->store, id, &f->arena, &f->trace, &err),
              err);
    if (!f->trace.span_count)
        return;
    f->coverage = tj_coverage_new(&f->arena, f->trace.span_count);
    f->env = (struct tj_tool_env){.store = f->store,
                                  .trace = &f->trace,
                                  .coverage = f->coverage,
                                  .step = &f->step};
    check_tools(f);
    check_proofs(f);
    check_turns(f);
    traces_seen++;
}

static bool check_file(const char *path)
{
    struct fixture f;
    struct tj_err err = {0};
    tj_str bytes;
    const struct tj_format *used;
    fixture_init(&f);
    bool done = tj_file_read(path, FILE_BYTES_MAX, &f.arena, &bytes, &err) &&
                tj_format_parse(NULL, bytes, &f.arena, &f.batch, &used, &err) &&
                f.batch.traces.count + f.batch.spans.count > 0;
    if (done) {
        assert_ok(tj_store_add_batch(f.store, &f.batch, &err), err);
        tj_trace_id last = {{0}};
        size_t seen = 0;
        tj_vec_each (&f.batch.spans, struct tj_span, s) {
            if (tj_trace_id_eq(last, s->trace_id) || seen == TRACES_PER_FILE)
                continue;
            last = s->trace_id;
            seen++;
            check_trace(&f, last);
        }
    }
    fixture_release(&f);
    return done;
}

/* depth counts down. */
static void check_folder(const char *path, int depth)
{
    DIR *dir = opendir(path);
    size_t files = 0;
    struct dirent *entry;
    while (dir && depth && (entry = readdir(dir))) {
        char below[4096];
        struct stat st;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (stat(below, &st))
            continue;
        if (S_ISDIR(st.st_mode))
            check_folder(below, depth - 1);
        else if (files < FILES_PER_FOLDER && st.st_size < FILE_BYTES_MAX)
            files += check_file(below);
    }
    if (dir)
        closedir(dir);
}

static void test_real_traces(void **state)
{
    if (!TJ_TEST_SHARED()) {
        print_message("TRACEJUDGE_SHARED is not there: no real traces\n");
        skip();
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/traces", TJ_TEST_SHARED());
    check_folder(path, DEPTH_MAX);
    print_message("%zu traces\n", traces_seen);
    assert_true(traces_seen > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_real_traces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
