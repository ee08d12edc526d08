/* bench_search.c - the first 100 of 100,000 traces: by attribute, tag, text,
 * time, and from a page in the middle.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Traces of ten spans, made here as OTLP/JSON.  bench_search [TRACES [PATH
 * [SEARCH]]] keeps the store at PATH and uses one that is there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/sqlite_db.h"
#include "store/store.h"
#include "text/json_write.h"
#include "trace/format.h"

enum {
    TRACES = 100000,
    TRACES_PER_BATCH = 500,
    SPANS_PER_TRACE = 10,
    VOCABULARY = 8000,
    RUNS = 100,
    PAGE = 100,
};

/* -- traces --------------------------------------------------------------- */

static uint64_t seed = 88172645463325252u;

static uint32_t roll(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % sides;
}

/* Word n of a made-up language; short ones are frequent. */
static void put_word(struct tj_buf *b, uint32_t n)
{
    static const char *const syllables[] = {
        "ra", "to",  "min", "sel", "ka", "dor", "ine", "pu", "lis", "gre",
        "ov", "han", "ter", "wi",  "cu", "bel", "sha", "ny", "fo",  "qui"};
    do {
        tj_buf_add(b, tj_str_c(syllables[n % TJ_COUNT(syllables)]));
        n /= TJ_COUNT(syllables);
    } while (n);
}

/* Frequent words often, most words seldom, as in any language. */
static tj_str prose(struct tj_arena *a, size_t len)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    while (b.len < len) {
        uint32_t n = roll(VOCABULARY) + 1;
        put_word(&b, roll(n) * roll(8) / 8);
        if (roll(20) == 0)
            tj_buf_fmt(&b, " %u", roll(100000));
        tj_buf_byte(&b, roll(12) ? ' ' : '.');
    }
    return tj_buf_str(&b);
}

static void attribute(struct tj_json_writer *w, const char *key, tj_str value)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", tj_str_c(key));
    tj_jw_key(w, TJ_STR("value"));
    tj_jw_object(w);
    tj_jw_key_str(w, "stringValue", value);
    tj_jw_end(w);
    tj_jw_end(w);
}

static uint64_t start_of(uint32_t trace)
{
    return UINT64_C(1777708800000000000) + trace * UINT64_C(1000000000);
}

static void put_attributes(struct tj_json_writer *w, uint32_t trace,
                           uint32_t span, struct tj_arena *a)
{
    tj_str output = prose(a, 100 + roll(200));
    /* Words of twenty traces each, and of every third trace. */
    if (span == 4)
        output = tj_str_printf(a, "%.*s xylo%uphon", TJ_STR_ARG(output),
                               trace % 5000);
    if (span == 7 && trace % 3 == 0)
        output = tj_str_printf(a, "%.*s and so on", TJ_STR_ARG(output));
    attribute(w, "openinference.span.kind",
              tj_str_c(span == 0  ? "AGENT"
                       : span % 3 ? "TOOL"
                                  : "LLM"));
    attribute(w, "input.value", prose(a, 60 + roll(200)));
    attribute(w, "output.value", output);
    attribute(w, "llm.model_name", tj_str_printf(a, "model-%u", trace % 8));
    if (span == 2)
        attribute(w, "customer",
                  tj_str_printf(a, "customer-%u", trace * 7919 % 5000));
}

static void put_span(struct tj_json_writer *w, uint32_t trace, uint32_t span)
{
    struct tj_arena a = {0};
    uint64_t start = start_of(trace) + span * 1000000u;
    tj_jw_object(w);
    tj_jw_key_str(
        w, "traceId",
        tj_str_printf(&a, "%08x%024x", trace * 2654435761u, trace + 1));
    tj_jw_key_str(w, "spanId", tj_str_printf(&a, "%08x%08x", trace, span + 1));
    if (span)
        tj_jw_key_str(w, "parentSpanId",
                      tj_str_printf(&a, "%08x%08x", trace, span / 3 + 1));
    tj_jw_key_str(w, "name",
                  span == 5 ? tj_str_printf(&a, "tool_%u", trace % 2000)
                            : tj_str_printf(&a, "step_%u", span));
    tj_jw_key_str(w, "startTimeUnixNano", tj_str_printf(&a, "%" PRIu64, start));
    tj_jw_key_str(
        w, "endTimeUnixNano",
        tj_str_printf(&a, "%" PRIu64, start + 1000000u * (1 + roll(5000))));
    tj_jw_key(w, TJ_STR("status"));
    tj_jw_object(w);
    tj_jw_key_u64(w, "code", span == 0 && trace % 50 == 0 ? 2 : 1);
    tj_jw_end(w);
    tj_jw_key(w, TJ_STR("attributes"));
    tj_jw_array(w);
    put_attributes(w, trace, span, &a);
    tj_jw_end(w);
    tj_jw_end(w);
    tj_arena_release(&a);
}

static tj_str make_request(uint32_t first, uint32_t count, struct tj_arena *a)
{
    static const char *const around[] = {"resourceSpans", "scopeSpans",
                                         "spans"};
    struct tj_buf json;
    struct tj_json_writer w;
    tj_buf_init(&json, a, TJ_IMPORT_BYTES_MAX);
    tj_json_writer_init(&w, &json, TJ_JSON_COMPACT);
    for (size_t i = 0; i < TJ_COUNT(around); i++) {
        tj_jw_object(&w);
        tj_jw_key(&w, tj_str_c(around[i]));
        tj_jw_array(&w);
    }
    for (uint32_t t = first; t < first + count; t++)
        for (uint32_t s = 0; s < SPANS_PER_TRACE; s++)
            put_span(&w, t, s);
    for (size_t i = 0; i < 2 * TJ_COUNT(around); i++)
        tj_jw_end(&w);
    return tj_buf_str(&json);
}

static void must(bool ok, const struct tj_err *err)
{
    if (ok)
        return;
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* OTLP has no tags and no feedback. */
static void label(struct tj_batch *batch, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t t = first + i;
        tj_trace_id id =
            batch->spans.items[(size_t)i * SPANS_PER_TRACE].trace_id;
        struct tj_trace_info *info = tj_batch_info(batch, id);
        tj_pairs_set(&info->tags, batch->arena, TJ_STR("env"),
                     t % 4 ? TJ_STR("prod") : TJ_STR("dev"));
        if (t % 1000 == 7)
            tj_pairs_set(&info->tags, batch->arena, TJ_STR("incident"),
                         TJ_STR("yes"));
        if (t % 10)
            continue;
        struct tj_assessment *as =
            tj_vec_add(&batch->assessments, batch->arena);
        as->trace_id = id;
        as->name = TJ_STR("quality");
        as->value_json = t % 500 ? TJ_STR("\"yes\"") : TJ_STR("\"no\"");
        as->valid = true;
    }
}

static uint64_t load(struct tj_store *st, uint32_t traces)
{
    uint64_t bytes = 0;
    for (uint32_t first = 0; first < traces; first += TRACES_PER_BATCH) {
        struct tj_arena a = {0};
        struct tj_batch batch;
        struct tj_err err = {0};
        tj_str json = make_request(first, TRACES_PER_BATCH, &a);
        bytes += json.len;
        must(tj_format_parse(tj_format_find(TJ_STR("otlp-json")), json, &a,
                             &batch, NULL, &err),
             &err);
        label(&batch, first, TRACES_PER_BATCH);
        must(tj_store_add_batch(st, &batch, &err), &err);
        tj_arena_release(&a);
    }
    return bytes;
}

/* -- searches ------------------------------------------------------------- */

/* %u in a filter is another number each time. */
struct search {
    const char *what;
    const char *filter;
    uint32_t numbers;
    const char *order;
    uint32_t page; /* pages of 1000 before the one that is measured */
};

static const struct search searches[] = {
    {"newest", "", 0, NULL, 0},
    {"page in the middle", "", 0, NULL, 50},
    {"an id", "request_id = 'tr-%08x'", 1, NULL, 0},
    {"status and time", "status = 'ERROR' AND timestamp_ms < 1777758800000", 0,
     NULL, 0},
    {"tag, 3 of 4", "tag.env = 'prod'", 0, NULL, 0},
    {"tag, 1 of 1000", "tag.incident = 'yes'", 0, NULL, 0},
    {"feedback, 1 of 500", "feedback.quality = 'no'", 0, NULL, 0},
    {"span attribute, 1 of 8", "span.attributes.llm.model_name = 'model-%u'", 8,
     NULL, 0},
    {"span attribute, 20", "span.attributes.customer = 'customer-%u'", 5000,
     NULL, 0},
    {"span name, 50", "span.name = 'tool_%u'", 2000, NULL, 0},
    {"two on one span",
     "span.type = 'TOOL' AND span.attributes.customer LIKE 'customer-%u%%'",
     5000, NULL, 0},
    {"no such attribute", "span.attributes.customer = 'nobody-%u'", 5000, NULL,
     0},
    {"text, 1 of 3", "trace.text ILIKE '%%and so on%%'", 0, NULL, 0},
    {"text, 20", "trace.text ILIKE '%%XYLO%uphon%%'", 5000, NULL, 0},
    {"text, none", "trace.text LIKE '%%zanzibar%u%%'", 5000, NULL, 0},
    {"text and tag", "trace.text ILIKE '%%xylo%uphon%%' AND tag.env = 'prod'",
     5000, NULL, 0},
    {"slowest", "", 0, "execution_time DESC", 0},
    {"slowest with error", "status = 'ERROR'", 0, "execution_time DESC", 0},
    {"by a tag", "", 0, "tag.incident ASC", 0},
};

static tj_str write_filter(const struct search *s, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, 1 << 12);
    for (const char *c = s->filter; *c; c++) {
        if (c[0] == '%' && c[1] == 'u') {
            tj_buf_u64(&b, roll(s->numbers));
            c++;
        } else if (tj_str_starts(tj_str_c(c), TJ_STR("%08x"))) {
            uint32_t t = roll(1000);
            tj_buf_fmt(&b, "%08x%024x", t * 2654435761u, t + 1);
            c += 3;
        } else {
            c += c[0] == '%' && c[1] == '%';
            tj_buf_byte(&b, *c);
        }
    }
    return tj_buf_str(&b);
}

/* The token behind s->page pages of the largest size. */
static tj_str skip(struct tj_store *st, const struct search *s,
                   struct tj_arena *a)
{
    struct tj_err err = {0};
    struct tj_trace_query q = {.row_max = TJ_SEARCH_ROWS_MAX};
    for (uint32_t i = 0; i < s->page; i++) {
        struct tj_arena scratch = {0};
        struct tj_trace_page page;
        must(tj_store_search(st, &q, &scratch, &page, &err), &err);
        q.page_token = tj_str_dup(a, page.next_page_token);
        tj_arena_release(&scratch);
        if (!q.page_token.len)
            break;
    }
    return q.page_token;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/* Of this thread: on a busy machine the wall says little. */
static double cpu_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void measure(struct tj_store *st, const struct search *s)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_order order;
    struct tj_trace_query q = {.row_max = PAGE, .page_token = skip(st, s, &a)};
    double ms[RUNS];
    double cpu[RUNS];
    size_t found = 0;
    if (s->order) {
        must(tj_order_parse(tj_str_c(s->order), &a, &order, &err), &err);
        q.order = &order;
        q.order_count = 1;
    }
    for (int i = 0; i < RUNS; i++) {
        struct tj_arena scratch = {0};
        struct tj_trace_page page;
        tj_str text = write_filter(s, &scratch);
        double cpu_start = cpu_ms();
        uint64_t start = tj_mono_ns();
        must(tj_filter_parse(text, &scratch, &q.filter, &err) &&
                 tj_store_search(st, &q, &scratch, &page, &err),
             &err);
        ms[i] = (double)(tj_mono_ns() - start) / 1e6;
        cpu[i] = cpu_ms() - cpu_start;
        found += page.count;
        tj_arena_release(&scratch);
    }
    qsort(ms, RUNS, sizeof *ms, by_size);
    qsort(cpu, RUNS, sizeof *cpu, by_size);
    (void)printf("%-24s %8.1f %8.1f %8.1f %8.1f %8.1f\n", s->what,
                 (double)found / RUNS, ms[RUNS / 2], ms[RUNS - 2],
                 cpu[RUNS / 2], cpu[RUNS - 2]);
    (void)fflush(stdout);
    tj_arena_release(&a);
}

/* -- the whole ------------------------------------------------------------ */

static void print_sketches(const char *path)
{
    struct tj_db *db;
    struct tj_err err = {0};
    must(tj_db_open(path, TJ_DB_READ, &db, &err), &err);
    struct tj_query q = tj_query_open(
        db, "SELECT count(*), total(length(bits)), max(length(bits))"
            " FROM sketch");
    if (tj_query_next(&q, &err) == TJ_ROW)
        (void)printf("sketches: %" PRIu64 ", %.1f MB, the largest %" PRIu64
                     " bytes\n",
                     tj_query_u64(&q, 0), tj_query_double(&q, 1) / 1e6,
                     tj_query_u64(&q, 2));
    tj_query_close(&q);
    tj_db_close(db);
}

static void prepare(struct tj_store *st, uint32_t traces)
{
    struct tj_err err = {0};
    struct tj_store_stats stats = {0};
    must(tj_store_stats(st, &stats, &err), &err);
    if (stats.trace_count >= traces) {
        must(tj_store_quiesce(st, &err), &err);
        return;
    }
    uint64_t start = tj_mono_ns();
    uint64_t bytes = load(st, traces);
    uint64_t loaded = tj_mono_ns();
    must(tj_store_quiesce(st, &err), &err);
    must(tj_store_stats(st, &stats, &err), &err);
    (void)printf("%u traces of %d spans, %.0f MB of OTLP/JSON: loaded in %.1f "
                 "s, sketched in %.1f s, %.0f MB on disk\n",
                 traces, SPANS_PER_TRACE, (double)bytes / 1e6,
                 (double)(loaded - start) / 1e9,
                 (double)(tj_mono_ns() - loaded) / 1e9,
                 (double)stats.disk_bytes / 1e6);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/tj-bench-XXXXXX";
    char made[64];
    uint64_t traces = TRACES;
    const char *path = argc > 2 ? argv[2] : made;
    const char *only = argc > 3 ? argv[3] : NULL;
    struct tj_store *st = NULL;
    struct tj_err err = {0};
    struct tj_store_options options = {.durability = TJ_DURABLE_RELAXED,
                                       .create = true};
    if (argc > 1 && !tj_str_to_u64(tj_str_c(argv[1]), &traces))
        return 1;
    if (argc <= 2 && !mkdtemp(folder))
        return 1;
    (void)snprintf(made, sizeof made, "%s/store.db", folder);
    must(tj_store_open(tj_str_c(path), &options, &st, &err), &err);
    prepare(st, (uint32_t)traces);
    print_sketches(path);
    (void)printf("%-24s %8s %8s %8s %8s %8s\n", "first 100, ms", "found", "p50",
                 "p99", "CPU p50", "CPU p99");
    for (size_t i = 0; i < TJ_COUNT(searches); i++) {
        if (!only || strstr(searches[i].what, only))
            measure(st, &searches[i]);
    }
    tj_store_close(st);
    if (argc <= 2) {
        (void)unlink(path);
        (void)rmdir(folder);
    }
    return 0;
}
