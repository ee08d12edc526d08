/* fuzz_serve.c - any requests to the whole server but its sockets.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The input is requests with a line of "%%" between them, each as HTTP writes
 * it ("POST /path?query", headers, an empty line, the body).  "@@" stands for
 * the last id that an answer gave, so that a seed can make a run and then use
 * it.  There is one trace from the start.
 */
#include <stdlib.h>

#include "serve/body.h"
#include "serve/guard.h"
#include "serve/meter.h"
#include "serve/route.h"
#include "text/json.h"
#include "text/utf8.h"
#include "trace/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    BODY_BYTES_MAX = 1 << 20,
    REQUESTS_MAX = 16,
    HEADERS_MAX = 16,
    DEPTH_MAX = 4,
};

static const tj_trace_id trace_id = {{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d,
                                      0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e,
                                      0x47, 0x36}};

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct session {
    struct tj_server server;
    struct tj_guard guard;
    struct tj_room room;
    struct tj_arena arena;
    tj_str last_id;
};

static void add_trace(struct tj_store *store)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_batch batch = {0};
    struct tj_build *b = tj_build_new(&a, &batch);
    struct tj_span *s = tj_build_span(b, trace_id, (tj_span_id){{1}});
    s->name = TJ_STR("root");
    s->start = TJ_NS_PER_SECOND;
    s->end = 2 * TJ_NS_PER_SECOND;
    tj_build_attr_text(b, TJ_STR("mlflow.spanInputs"), TJ_STR("{\"q\": 1}"));
    tj_build_end(b);
    must(tj_store_add_batch(store, &batch, &err));
    tj_arena_release(&a);
}

/* -- requests ------------------------------------------------------------- */

static enum tj_method method_of(tj_str name)
{
    for (unsigned i = 0; i < TJ_METHOD_OTHER; i++)
        if (tj_str_eq(name, tj_str_c(tj_method_name((enum tj_method)i))))
            return (enum tj_method)i;
    return TJ_METHOD_OTHER;
}

static tj_str with_id(tj_str text, tj_str id, struct tj_arena *a)
{
    struct tj_buf out;
    tj_buf_init(&out, a, BODY_BYTES_MAX);
    for (;;) {
        size_t at = tj_str_find(text, TJ_STR("@@"));
        tj_buf_add(&out, tj_str_slice(text, 0, at));
        if (at == (size_t)-1)
            return tj_buf_str(&out);
        tj_buf_add(&out, id);
        text = tj_str_slice(text, at + 2, text.len);
    }
}

/* The last member called ..._id that is a string; that of an experiment only
 * when there is no other. */
static void find_id(const struct tj_json *v, int depth, tj_str *out)
{
    if (depth > DEPTH_MAX)
        return;
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        bool is_id =
            tj_str_ends(m.key, TJ_STR("_id")) || tj_str_eq(m.key, TJ_STR("id"));
        if (is_id && tj_json_is_string(m.value))
            *out = tj_json_str(m.value);
        find_id(m.value, depth + 1, out);
    }
    tj_json_each (v, item)
        find_id(item, depth + 1, out);
}

static bool parse_request(tj_str text, struct tj_request *rq,
                          struct tj_header *headers)
{
    struct tj_err err = {0};
    tj_str line = tj_str_cut(&text, '\n');
    rq->method = method_of(tj_str_cut(&line, ' '));
    if (!tj_target_parse(line, rq, &err))
        return false;
    rq->headers = headers;
    for (;;) {
        tj_str value = tj_str_cut(&text, '\n');
        if (!value.len || rq->header_count == HEADERS_MAX)
            break;
        tj_str name = tj_str_cut(&value, ':');
        headers[rq->header_count++] =
            (struct tj_header){name, tj_str_trim(value)};
    }
    rq->body = text;
    return true;
}

/* -- answers -------------------------------------------------------------- */

static void check_answer(struct session *s, const struct tj_answer *out,
                         struct tj_arena *a)
{
    struct tj_err err = {0};
    struct tj_json_doc doc = {0};
    must(out->status >= 100 && out->status < 600);
    for (size_t i = 0; i < out->header_count; i++) {
        must(out->headers[i].name.len > 0);
        must(tj_str_find_byte(out->headers[i].value, '\n') == (size_t)-1);
    }
    if (!tj_str_starts(out->content_type, TJ_STR("application/json")))
        return;
    must(tj_utf8_valid(out->body) == out->body.len);
    must(tj_json_parse(out->body, a, &doc, &err));
    tj_str id = {0};
    find_id(doc.root, 0, &id);
    if (id.len)
        s->last_id = tj_str_dup(&s->arena, id);
}

static void run_request(struct session *s, tj_str text)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    struct tj_header headers[HEADERS_MAX];
    struct tj_request rq = {.arena = &a, .grant = &tj_grant_all};
    struct tj_answer out = {0};
    size_t taken = 0;
    if (parse_request(with_id(text, s->last_id, &a), &rq, headers)) {
        (void)tj_guard_check(&s->guard, &rq, &out);
        tj_guard_mark(&s->guard, &rq, &out);
        if (tj_body_decode(&rq, BODY_BYTES_MAX, &s->room, &taken, &err) ==
            TJ_BODY_FINE) {
            tj_route_run(&s->server, &rq, &out);
            check_answer(s, &out, &a);
            tj_body_encode(&rq, &out);
        }
        tj_room_give(&s->room, taken);
        must(atomic_load(&s->room.used_bytes) == 0);
    }
    tj_arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tj_meter meter;
    struct session s = {
        .server = {.version = TJ_STR_INIT("fuzz"),
                   .body_bytes_max = BODY_BYTES_MAX,
                   .ready = true,
                   .meter = &meter},
        .room = {.bytes_max = 2 * BODY_BYTES_MAX},
        .last_id = TJ_STR_INIT("0"),
    };
    struct tj_err err = {0};
    tj_str rest = tj_str_make((const char *)data, size);
    tj_meter_init(&meter);
    must(tj_store_open(TJ_STR("memory:"), NULL, &s.server.store, &err));
    tj_guard_init(&s.guard, TJ_STR("127.0.0.1"), TJ_STR("*.example"),
                  TJ_STR("https://a.example"), &s.arena);
    add_trace(s.server.store);
    for (int i = 0; i < REQUESTS_MAX && rest.len; i++) {
        size_t at = tj_str_find(rest, TJ_STR("\n%%\n"));
        run_request(&s, tj_str_slice(rest, 0, at));
        rest = at == (size_t)-1 ? (tj_str){0}
                                : tj_str_slice(rest, at + 4, rest.len);
    }
    tj_store_close(s.server.store);
    tj_meter_release(&meter);
    tj_arena_release(&s.arena);
    return 0;
}
