/* bench_store.c - importing into SQLite, size on disk, time to first answer.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two kinds of input, made here as OTLP/JSON: one large trace of mixed text,
 * and agent runs in which every model call repeats the history before it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/store.h"
#include "text/json_write.h"
#include "trace/format.h"

static const char *const words[] = {
    "the",    "order", "was",    "shipped", "to",    "customer", "error",
    "result", "tool",  "search", "context", "value", "returned", "because",
    "cannot", "find",  "file",   "line",    "test",  "passed",   "agent",
    "step",   "plan",  "next",   "query",   "index", "memory",   "token"};

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Prose with numbers in it: compresses about as real prompts do. */
static tj_str prose(struct tj_arena *a, size_t len)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    while (b.len < len) {
        uint64_t r = next_random() >> 20;
        tj_buf_add(&b, tj_str_c(words[r % TJ_COUNT(words)]));
        tj_buf_byte(&b, r % 13 == 0 ? '\n' : ' ');
        if (r % 7 == 0)
            tj_buf_u64(&b, r >> 8);
    }
    return tj_buf_str(&b);
}

struct maker {
    struct tj_arena arena;
    struct tj_buf json;
    struct tj_json_writer w;
    uint32_t trace;
    uint32_t span;
    size_t span_count;
};

static void maker_begin(struct maker *m)
{
    *m = (struct maker){0};
    tj_buf_init(&m->json, &m->arena, TJ_IMPORT_BYTES_MAX);
    tj_json_writer_init(&m->w, &m->json, TJ_JSON_COMPACT);
    tj_jw_object(&m->w);
    tj_jw_key(&m->w, TJ_STR("resourceSpans"));
    tj_jw_array(&m->w);
    tj_jw_object(&m->w);
    tj_jw_key(&m->w, TJ_STR("scopeSpans"));
    tj_jw_array(&m->w);
    tj_jw_object(&m->w);
    tj_jw_key(&m->w, TJ_STR("spans"));
    tj_jw_array(&m->w);
}

static tj_str maker_end(struct maker *m)
{
    for (int i = 0; i < 6; i++)
        tj_jw_end(&m->w);
    return tj_buf_str(&m->json);
}

static void attribute(struct maker *m, const char *key, tj_str value)
{
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "key", tj_str_c(key));
    tj_jw_key(&m->w, TJ_STR("value"));
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "stringValue", value);
    tj_jw_end(&m->w);
    tj_jw_end(&m->w);
}

static void span(struct maker *m, uint32_t parent, const char *kind,
                 tj_str input, tj_str output)
{
    struct tj_arena a = {0};
    uint64_t start = UINT64_C(1777708800000000000) + m->span * 1000000u;
    uint32_t id = ++m->span;
    tj_jw_object(&m->w);
    tj_jw_key_str(&m->w, "traceId",
                  tj_str_printf(&a, "%08x%024x", 0xabcd0000u + m->trace, 1u));
    tj_jw_key_str(&m->w, "spanId",
                  tj_str_printf(&a, "%08x%08x", id * 2654435761u, id));
    if (parent)
        tj_jw_key_str(
            &m->w, "parentSpanId",
            tj_str_printf(&a, "%08x%08x", parent * 2654435761u, parent));
    tj_jw_key_str(&m->w, "name", tj_str_printf(&a, "%s_%u", kind, id % 17));
    tj_jw_key_str(&m->w, "startTimeUnixNano",
                  tj_str_printf(&a, "%" PRIu64, start));
    tj_jw_key_str(&m->w, "endTimeUnixNano",
                  tj_str_printf(&a, "%" PRIu64, start + 1500000u));
    tj_jw_key(&m->w, TJ_STR("attributes"));
    tj_jw_array(&m->w);
    attribute(m, "openinference.span.kind", tj_str_c(kind));
    attribute(m, "input.value", input);
    attribute(m, "output.value", output);
    attribute(m, "llm.model_name", TJ_STR("model-5-large"));
    attribute(m, "session.id", TJ_STR("session-1234"));
    tj_jw_end(&m->w);
    tj_jw_end(&m->w);
    m->span_count++;
    tj_arena_release(&a);
}

/* One trace of count spans with texts of about 1 KB in and 1 KB out. */
static void make_large(struct maker *m, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct tj_arena a = {0};
        span(m, i ? 1 + i / 8 : 0, i % 3 ? "TOOL" : "LLM", prose(&a, 1000),
             prose(&a, 1000));
        tj_arena_release(&a);
    }
}

/* An agent: each call of the model says all that was said before. */
static void make_agent(struct maker *m, uint32_t turns)
{
    struct tj_arena a = {0};
    struct tj_buf history;
    m->trace++;
    tj_buf_init(&history, &a, SIZE_MAX);
    tj_buf_fmt(&history, "[{\"role\": \"system\", \"content\": \"%.*s\"}",
               TJ_STR_ARG(prose(&a, 6000)));
    span(m, 0, "AGENT", TJ_STR("do it"), TJ_STR("done"));
    uint32_t root = m->span;
    for (uint32_t i = 0; i < turns; i++) {
        tj_str said = prose(&a, 400);
        tj_str result = prose(&a, 2500);
        size_t len = history.len;
        tj_buf_byte(&history, ']');
        span(m, root, "LLM", tj_buf_str(&history), said);
        tj_buf_cut(&history, len);
        span(m, root, "TOOL", said, result);
        tj_buf_fmt(&history,
                   ", {\"role\": \"assistant\", \"content\": \"%.*s\"},"
                   " {\"role\": \"tool\", \"content\": \"%.*s\"}",
                   TJ_STR_ARG(said), TJ_STR_ARG(result));
    }
    tj_arena_release(&a);
}

static double ms_since(uint64_t start)
{
    return (double)(tj_mono_ns() - start) / 1e6;
}

/* Of the whole process: on a busy machine the wall says little. */
static double cpu_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(bool ok, const struct tj_err *err)
{
    if (ok)
        return;
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static double file_mb(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (double)st.st_size / 1e6;
}

static struct tj_store *open_store(const char *path)
{
    struct tj_store *st = NULL;
    struct tj_err err = {0};
    must(tj_store_open(tj_str_c(path), NULL, &st, &err), &err);
    return st;
}

/* Parses and stores; prints a row; leaves the store at path. */
static void import(const char *name, struct maker *m, const char *path)
{
    struct tj_arena a = {0};
    struct tj_batch batch;
    struct tj_err err = {0};
    tj_str json = maker_end(m);
    double mb = (double)json.len / 1e6;
    (void)unlink(path);
    struct tj_store *st = open_store(path);
    double parse_cpu = cpu_ms();
    must(tj_format_parse(tj_format_find(TJ_STR("otlp-json")), json, &a, &batch,
                         NULL, &err),
         &err);
    double store_cpu = cpu_ms();
    parse_cpu = store_cpu - parse_cpu;
    uint64_t start = tj_mono_ns();
    must(tj_store_add_batch(st, &batch, &err), &err);
    double store_ms = ms_since(start);
    tj_store_close(st);
    store_cpu = cpu_ms() - store_cpu;
    double disk_mb = file_mb(path);
    double cpu = parse_cpu + store_cpu;
    (void)printf("%-12s %6zu %7.1f %7.0f %7.0f %7.0f %7.0f %8.0f %7.2f %6.1f\n",
                 name, m->span_count, mb, parse_cpu, store_cpu, store_ms,
                 mb / cpu * 1e3, (double)m->span_count / cpu * 1e3, disk_mb,
                 mb / disk_mb);
    tj_arena_release(&a);
}

static void open_and_read(const char *name, const char *path, tj_trace_id id)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_trace t;
    struct tj_store *st = open_store(path);
    uint64_t start = tj_mono_ns();
    must(tj_store_open_trace(st, id, &a, &t, &err), &err);
    double open_ms = ms_since(start);
    double read_ms[2];
    for (int round = 0; round < 2; round++) {
        size_t at = round ? t.span_count / 3 : t.span_count / 2;
        start = tj_mono_ns();
        must(tj_store_load_fields(&t, at, &err), &err);
        for (size_t f = 0; f < t.spans[at].field_count; f++) {
            tj_str text;
            must(tj_store_read_field(&t, at, f, 0, UINT64_MAX, &text, &err),
                 &err);
        }
        read_ms[round] = ms_since(start);
    }
    start = tj_mono_ns();
    uint64_t bytes = 0;
    for (size_t i = 0; i < t.span_count; i++) {
        must(tj_store_load_fields(&t, i, &err), &err);
        for (size_t f = 0; f < t.spans[i].field_count; f++) {
            tj_str text;
            must(tj_store_read_field(&t, i, f, 0, UINT64_MAX, &text, &err),
                 &err);
            bytes += text.len;
        }
    }
    double all_ms = ms_since(start);
    (void)printf("%-14s %7zu %8.1f %8.1f %8.2f %8.0f %8.1f\n", name,
                 t.span_count, open_ms, read_ms[0], read_ms[1], all_ms,
                 (double)bytes / 1e6);
    tj_store_close(st);
    tj_arena_release(&a);
}

int main(void)
{
    char folder[] = "/tmp/tj-bench-XXXXXX";
    char path[64];
    struct maker m;
    tj_trace_id id;
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/store.db", folder);
    (void)printf("parse and store: ms of CPU; wall: of the store; MB/s and "
                 "spans/s: of both together\n");
    (void)printf("%-12s %6s %7s %7s %7s %7s %7s %8s %7s %6s\n", "import",
                 "spans", "MB", "parse", "store", "wall", "MB/s", "spans/s",
                 "disk MB", "ratio");
    maker_begin(&m);
    for (int i = 0; i < 20; i++)
        make_agent(&m, 60);
    import("agent runs", &m, path);
    tj_arena_release(&m.arena);
    maker_begin(&m);
    make_large(&m, 33000);
    import("mixed text", &m, path);
    tj_arena_release(&m.arena);
    (void)printf("\n%-14s %7s %8s %8s %8s %8s %8s\n", "read", "spans",
                 "open ms", "1st ms", "2nd ms", "all ms", "MB");
    if (tj_trace_id_parse(TJ_STR("abcd0000000000000000000000000001"), &id))
        open_and_read("mixed text", path, id);
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}
