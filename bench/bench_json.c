/* bench_json.c - speed of the JSON reader and writer and of plain text.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The document is OTLP/JSON as clients send it: spans with ids, times and
 * attributes, one of them a long prompt.  Python's json reads the same bytes in
 * the same run, when there is a python3, to compare with.
 */
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "text/json_write.h"
#include "text/plain.h"

enum { ROUNDS = 5, BYTES_MAX = 256 << 20, SPANS = 48000 };

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

static void count_attribute(struct tj_json_writer *w, const char *key,
                            tj_str value)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "key", tj_str_c(key));
    tj_jw_key(w, TJ_STR("value"));
    tj_jw_object(w);
    tj_jw_key_str(w, "intValue", value);
    tj_jw_end(w);
    tj_jw_end(w);
}

/* A prompt as a JSON string in a string, as tracing clients write it. */
static tj_str prompt(struct tj_arena *a, size_t i)
{
    struct tj_buf text;
    struct tj_json_writer w;
    tj_buf_init(&text, a, 1 << 20);
    tj_json_writer_init(&w, &text, TJ_JSON_SPACED);
    tj_jw_array(&w);
    tj_jw_object(&w);
    tj_jw_key_str(&w, "role", TJ_STR("user"));
    tj_str question = tj_str_printf(
        a,
        "Look at order %zu and say what went wrong with it.\nThe customer "
        "wrote: \"it never arrived\". Use the tools that you have, and do not "
        "guess where a lookup would tell. Answer in two sentences.",
        i);
    tj_jw_key_str(&w, "content", question);
    tj_jw_end(&w);
    tj_jw_end(&w);
    return tj_buf_str(&text);
}

static void span(struct tj_json_writer *w, struct tj_arena *a, size_t i)
{
    uint64_t start = UINT64_C(1714636800000000000) + i * 1234567;
    tj_jw_object(w);
    tj_jw_key_str(w, "traceId", tj_str_printf(a, "%032zx", i / 100 + 1));
    tj_jw_key_str(w, "spanId", tj_str_printf(a, "%016zx", i + 1));
    tj_jw_key_str(w, "parentSpanId", tj_str_printf(a, "%016zx", i / 2 + 1));
    tj_jw_key_str(w, "name", TJ_STR("chat gpt-5"));
    tj_jw_key_u64(w, "kind", 3);
    tj_jw_key_str(w, "startTimeUnixNano", tj_str_printf(a, "%" PRIu64, start));
    tj_jw_key_str(w, "endTimeUnixNano",
                  tj_str_printf(a, "%" PRIu64, start + 987654321));
    tj_jw_key(w, TJ_STR("attributes"));
    tj_jw_array(w);
    attribute(w, "gen_ai.operation.name", TJ_STR("chat"));
    attribute(w, "gen_ai.request.model", TJ_STR("gpt-5"));
    attribute(w, "gen_ai.input.messages", prompt(a, i));
    attribute(w, "gen_ai.output.messages", prompt(a, i + 1));
    count_attribute(w, "gen_ai.usage.input_tokens", TJ_STR("1234"));
    count_attribute(w, "gen_ai.usage.output_tokens", TJ_STR("321"));
    tj_jw_end(w);
    tj_jw_key(w, TJ_STR("status"));
    tj_jw_object(w);
    tj_jw_key_u64(w, "code", 1);
    tj_jw_end(w);
    tj_jw_end(w);
}

static tj_str document(struct tj_arena *a, enum tj_json_form form)
{
    struct tj_arena step = {0};
    struct tj_buf out;
    struct tj_json_writer w;
    tj_buf_init(&out, a, BYTES_MAX);
    tj_json_writer_init(&w, &out, form);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("resourceSpans"));
    tj_jw_array(&w);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("scopeSpans"));
    tj_jw_array(&w);
    tj_jw_object(&w);
    tj_jw_key(&w, TJ_STR("spans"));
    tj_jw_array(&w);
    for (size_t i = 0; i < SPANS; i++) {
        span(&w, &step, i);
        tj_arena_reset(&step);
    }
    while (w.depth)
        tj_jw_end(&w);
    tj_arena_release(&step);
    return tj_buf_str(&out);
}

static double rate(size_t bytes, uint64_t ns)
{
    return (double)bytes * 1000.0 / (double)ns;
}

static void show(const char *what, size_t bytes, uint64_t best_ns)
{
    (void)printf("%-34s %8.1f MB %8.0f MB/s\n", what, (double)bytes / 1e6,
                 rate(bytes, best_ns));
}

/* Reads text ROUNDS times, each into a fresh arena; shows the best. */
static bool bench_read(const char *what, tj_str text)
{
    uint64_t best = UINT64_MAX;
    size_t used = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct tj_arena a = {0};
        struct tj_err err = {0};
        struct tj_json_doc doc = {0};
        uint64_t start = tj_mono_ns();
        if (!tj_json_parse(text, &a, &doc, &err)) {
            (void)fprintf(stderr, "%s\n", err.message);
            return false;
        }
        uint64_t ns = tj_mono_ns() - start;
        best = ns < best ? ns : best;
        used = a.used_bytes;
        tj_arena_release(&a);
    }
    show(what, text.len, best);
    (void)printf("%-34s %8.1f MB %7.2fx of the text\n", "  memory of the tree",
                 (double)used / 1e6, (double)used / (double)text.len);
    return true;
}

typedef void (*write_fn)(struct tj_buf *out, const struct tj_json *v);

static void write_json(struct tj_buf *out, const struct tj_json *v)
{
    tj_json_write(out, v, TJ_JSON_COMPACT);
}

static void bench_write(const char *what, write_fn write,
                        const struct tj_json *v)
{
    uint64_t best = UINT64_MAX;
    struct tj_arena a = {0};
    struct tj_buf out;
    tj_buf_init(&out, &a, BYTES_MAX);
    for (int i = 0; i < ROUNDS; i++) {
        tj_buf_clear(&out);
        uint64_t start = tj_mono_ns();
        write(&out, v);
        uint64_t ns = tj_mono_ns() - start;
        best = ns < best ? ns : best;
    }
    show(what, out.len, best);
    tj_arena_release(&a);
}

static void bench_plain_read(const struct tj_json *v)
{
    uint64_t best = UINT64_MAX;
    struct tj_arena a = {0};
    struct tj_buf out;
    tj_buf_init(&out, &a, BYTES_MAX);
    tj_plain_write(&out, v);
    for (int i = 0; i < ROUNDS; i++) {
        struct tj_arena tree = {0};
        struct tj_err err = {0};
        struct tj_json_doc doc = {0};
        uint64_t start = tj_mono_ns();
        bool ok = tj_plain_parse(tj_buf_str(&out), &tree, &doc, &err);
        uint64_t ns = tj_mono_ns() - start;
        assert(ok);
        best = ns < best ? ns : best;
        tj_arena_release(&tree);
    }
    show("plain text, read", out.len, best);
    tj_arena_release(&a);
}

/* Python reads the same bytes and prints its own line. */
static void bench_python(tj_str text)
{
    char path[] = "/tmp/bench_json_XXXXXX";
    char program[] = "import json,sys,time\n"
                     "b=open(sys.argv[1],'rb').read()\n"
                     "t=time.perf_counter();json.loads(b)\n"
                     "t=time.perf_counter()-t\n"
                     "print('%-34s %8.1f MB %8.0f MB/s'%("
                     "'python3 json.loads',len(b)/1e6,len(b)/1e6/t))";
    char name[] = "python3";
    char option[] = "-c";
    char *args[] = {name, option, program, path, NULL};
    char *environment[] = {NULL};
    struct tj_err err = {0};
    pid_t child = 0;
    int status = 0;
    int fd = mkstemp(path);
    if (fd < 0)
        return;
    (void)close(fd);
    (void)fflush(stdout);
    if (tj_file_write(path, text, &err) &&
        posix_spawnp(&child, name, NULL, NULL, args, environment) == 0)
        (void)waitpid(child, &status, 0);
    else
        (void)printf("%-34s (no python3)\n", "python3 json.loads");
    (void)unlink(path);
}

int main(void)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    tj_str text = document(&a, TJ_JSON_COMPACT);
    bool ok =
        bench_read("OTLP/JSON, read", text) &&
        bench_read("OTLP/JSON indented, read", document(&a, TJ_JSON_PRETTY)) &&
        tj_json_parse(text, &a, &doc, &err);
    if (ok) {
        bench_write("OTLP/JSON, written", write_json, doc.root);
        bench_write("plain text, written", tj_plain_write, doc.root);
        bench_plain_read(doc.root);
        bench_python(text);
    }
    tj_arena_release(&a);
    return ok ? 0 : 1;
}
