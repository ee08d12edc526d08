/* fmt_span_tree.c - spans nested in spans.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     {"trace_id", "spans": [{"span_id", "parent_span_id", "span_name",
 *      "timestamp", "duration": "PT1.5S", "span_kind", "status_code",
 *      "span_attributes": {...}, "events": [...], "child_spans": [...]}]}
 *     {"name", "start_time", "end_time", "input", "output", "children": [...]}
 *
 * The first is how TRAIL and other datasets dump OpenTelemetry spans; the
 * second what people write by hand.  Both are read by the same table of
 * spellings; a member that the table does not know is an attribute.
 *  1. Nesting says who the parent is; parent_span_id only where a span is not
 *     nested.
 *  2. A span without an id gets one from its parent's and its place there.
 *  3. A time is ISO 8601, or a number whose size says its unit: seconds,
 *     milliseconds, microseconds or nanoseconds since 1970.  A duration is ISO
 *     8601 or a number of seconds (duration_ms: of milliseconds); it gives the
 *     end where there is none.
 *  4. The walk keeps its own stack; JSON's depth limit bounds it.
 */
#include <math.h>

#include "base/limits.h"
#include "trace/fmt.h"
#include "trace/fmt_steps.h"

enum member {
    M_ID,
    M_TRACE_ID,
    M_PARENT_ID,
    M_NAME,
    M_KIND,
    M_START,
    M_END,
    M_DURATION,
    M_DURATION_MS,
    M_STATUS,
    M_STATUS_MESSAGE,
    M_INPUT,
    M_OUTPUT,
    M_ERROR,
    M_ATTRIBUTES,
    M_RESOURCE,
    M_EVENTS,
    M_LINKS,
    M_CHILDREN,
    M_COUNT
};

static const struct {
    const char *key;
    enum member member;
} spellings[] = {
    {"span_id", M_ID},
    {"id", M_ID},
    {"trace_id", M_TRACE_ID},
    {"parent_span_id", M_PARENT_ID},
    {"parent_id", M_PARENT_ID},
    {"span_name", M_NAME},
    {"name", M_NAME},
    {"kind", M_KIND},
    {"type", M_KIND},
    {"span_kind", M_KIND},
    {"span_type", M_KIND},
    {"timestamp", M_START},
    {"start_timestamp", M_START},
    {"start_time", M_START},
    {"startTime", M_START},
    {"start", M_START},
    {"end_timestamp", M_END},
    {"end_time", M_END},
    {"endTime", M_END},
    {"end", M_END},
    {"duration", M_DURATION},
    {"duration_ms", M_DURATION_MS},
    {"status_code", M_STATUS},
    {"status", M_STATUS},
    {"status_message", M_STATUS_MESSAGE},
    {"input", M_INPUT},
    {"inputs", M_INPUT},
    {"output", M_OUTPUT},
    {"outputs", M_OUTPUT},
    {"error", M_ERROR},
    {"span_attributes", M_ATTRIBUTES},
    {"attributes", M_ATTRIBUTES},
    {"resource_attributes", M_RESOURCE},
    {"events", M_EVENTS},
    {"links", M_LINKS},
    {"child_spans", M_CHILDREN},
    {"children", M_CHILDREN},
};

/* A span of the file, its known members found. */
struct node {
    const struct tj_json *v;
    const struct tj_json *m[M_COUNT];
};

/* A list of siblings being walked. */
struct level {
    const struct tj_json *list;
    const struct tj_json *at; /* the next of them */
    tj_span_id parent;
    size_t n; /* index of `at` */
};

struct walk {
    struct tj_build *build;
    struct tj_batch *batch;
    struct tj_arena *arena;
    tj_trace_id trace_id;
    tj_str source_id;
    TJ_VEC(struct level) levels;
};

/* -- shapes ---------------------------------------------------------------- */

static bool is_dumped(const struct tj_json *v)
{
    return tj_json_is_string(tj_steps_get(v, "span_name")) ||
           tj_json_is_array(tj_steps_get(v, "child_spans"));
}

/* A tree of names alone may be anything; something must tell of a run. */
static bool is_written(const struct tj_json *v)
{
    static const char *const signs[] = {
        "span_id", "start_time", "startTime",   "start",  "timestamp",
        "input",   "inputs",     "duration_ms", "output", "duration"};
    if (!tj_json_is_string(tj_steps_get(v, "name")) ||
        !tj_json_is_array(tj_steps_get(v, "children")))
        return false;
    for (size_t i = 0; i < TJ_COUNT(signs); i++) {
        if (tj_steps_get(v, signs[i]))
            return true;
    }
    return false;
}

static bool is_span(const struct tj_json *v)
{
    return is_dumped(v) || is_written(v);
}

static bool matches(const struct tj_json *doc)
{
    const struct tj_json *list =
        tj_json_is_array(doc) ? doc : tj_steps_get(doc, "spans");
    if (tj_json_is_array(list) && is_span(tj_json_first(list)))
        return true;
    return is_span(doc);
}

/* -- values ---------------------------------------------------------------- */

static int known(tj_str key)
{
    for (size_t i = 0; i < TJ_COUNT(spellings); i++) {
        if (tj_str_eq(key, tj_str_c(spellings[i].key)))
            return (int)spellings[i].member;
    }
    return -1;
}

static struct node node_of(const struct tj_json *v)
{
    struct node n = {.v = v};
    struct tj_json_members m = tj_json_members(v);
    while (tj_json_member(&m)) {
        int at = known(m.key);
        if (at >= 0 && !tj_json_is_null(m.value))
            n.m[at] = m.value;
    }
    return n;
}

/* Numbers below these are seconds, milliseconds, microseconds since 1970; all
 * three are years after 2100 in their own unit and before 1971 in the next. */
static tj_time time_of(const struct tj_json *v)
{
    static const struct {
        double below;
        double ns;
    } units[] = {{1e11, 1e9}, {1e14, 1e6}, {1e17, 1e3}};
    uint64_t whole = 0;
    double n = 0;
    if (tj_json_is_string(v))
        return tj_steps_time(v);
    if (tj_json_u64(v, &whole) && whole >= (uint64_t)1e17)
        return whole;
    if (!tj_json_double(v, &n) || !(n > 0 && n < 1.8e19))
        return 0;
    for (size_t i = 0; i < TJ_COUNT(units); i++) {
        if (n < units[i].below)
            return (tj_time)(n * units[i].ns);
    }
    return (tj_time)n;
}

static uint64_t duration_of(const struct node *n)
{
    uint64_t ns = 0;
    double seconds = 0;
    const struct tj_json *d = n->m[M_DURATION];
    if (tj_json_is_string(d) && tj_duration_parse(tj_json_str(d), &ns))
        return ns;
    if (tj_json_double(n->m[M_DURATION_MS], &seconds))
        seconds /= 1e3;
    else if (!tj_json_double(d, &seconds))
        return 0;
    return seconds > 0 && seconds < 1e9 ? (uint64_t)llround(seconds * 1e9) : 0;
}

static void read_status(struct tj_span *s, const struct node *n)
{
    const struct tj_json *v = n->m[M_STATUS];
    s->status = tj_fmt_status(v);
    s->status_message = tj_json_str(n->m[M_STATUS_MESSAGE]);
    if (tj_json_is_object(v) && s->status_message.len == 0)
        s->status_message = tj_json_find_str(v, TJ_STR("message"));
}

/* OpenTelemetry's word for the side of a call, or what we call a kind. */
static void read_kind(struct tj_span *s, const struct node *n)
{
    tj_str word = tj_json_str(n->m[M_KIND]);
    s->otel_kind = tj_fmt_otel_kind(n->m[M_KIND]);
    if (s->otel_kind || word.len == 0 ||
        tj_str_starts(word, TJ_STR("SPAN_KIND_")))
        return;
    if (!tj_kind_parse(word, &s->kind))
        s->kind_text = word;
}

/* -- parts of a span ------------------------------------------------------- */

static void write_members(const struct walk *w, const struct tj_json *object)
{
    struct tj_json_members m = tj_json_members(object);
    while (tj_json_member(&m))
        tj_build_attr(w->build, m.key, m.value);
}

static void write_rest(const struct walk *w, const struct node *n)
{
    struct tj_json_members m = tj_json_members(n->v);
    while (tj_json_member(&m)) {
        if (known(m.key) < 0 && tj_steps_has(m.value))
            tj_build_attr(w->build, m.key, m.value);
    }
}

static const struct tj_json *any_case(const struct tj_json *v, const char *low,
                                      const char *high)
{
    const struct tj_json *found = tj_steps_get(v, low);
    return found ? found : tj_steps_get(v, high);
}

static void write_events(const struct walk *w, const struct node *n)
{
    tj_json_each (n->m[M_EVENTS], e) {
        tj_str name = tj_json_str(any_case(e, "name", "Name"));
        tj_build_event(w->build, name.len ? name : TJ_STR("event"),
                       time_of(any_case(e, "timestamp", "Timestamp")));
        struct tj_json_members m =
            tj_json_members(any_case(e, "attributes", "Attributes"));
        while (tj_json_member(&m))
            tj_build_event_attr(w->build, m.key, m.value);
    }
}

static tj_trace_id trace_id_of(tj_str text)
{
    tj_trace_id id;
    return tj_trace_id_parse(text, &id) ? id : tj_trace_id_derive(text);
}

static tj_span_id span_id_of(const struct walk *w, tj_str text, bool *derived)
{
    tj_span_id id;
    *derived = !tj_span_id_parse(text, &id);
    return *derived ? tj_build_child_id(w->trace_id, text) : id;
}

static void write_links(const struct walk *w, const struct node *n)
{
    tj_json_each (n->m[M_LINKS], link) {
        tj_trace_id trace;
        tj_span_id span;
        if (!tj_trace_id_parse(
                tj_json_str(any_case(link, "trace_id", "TraceId")), &trace) ||
            !tj_span_id_parse(tj_json_str(any_case(link, "span_id", "SpanId")),
                              &span))
            continue;
        tj_build_link(w->build, trace, span);
        struct tj_json_members m =
            tj_json_members(any_case(link, "attributes", "Attributes"));
        while (tj_json_member(&m))
            tj_build_link_attr(w->build, m.key, m.value);
    }
}

static void write_times(struct tj_span *s, const struct node *n)
{
    s->start = time_of(n->m[M_START]);
    s->end = time_of(n->m[M_END]);
    bool lasts = n->m[M_DURATION] || n->m[M_DURATION_MS];
    if (s->start && !s->end && lasts)
        s->end = s->start + duration_of(n);
}

/* -- the walk -------------------------------------------------------------- */

static tj_str text_id(const struct walk *w, const struct tj_json *v)
{
    return v ? tj_steps_show(w->arena, v) : (tj_str){0};
}

static int32_t resource_of(const struct walk *w, const struct node *n)
{
    if (!tj_steps_has(n->m[M_RESOURCE]))
        return -1;
    struct tj_buf b;
    tj_buf_init(&b, w->arena, TJ_IMPORT_BYTES_MAX);
    tj_steps_raw(&b, "{");
    tj_steps_member(&b, "resource", n->m[M_RESOURCE]);
    tj_steps_raw(&b, "}");
    return b.full ? -1 : tj_build_resource(w->build, tj_buf_str(&b));
}

static tj_span_id parent_of(const struct walk *w, const struct node *n,
                            const struct level *at)
{
    tj_str text = text_id(w, n->m[M_PARENT_ID]);
    bool derived;
    if (w->levels.count > 1 || text.len == 0)
        return at->parent;
    return span_id_of(w, text, &derived);
}

static tj_str place_of(const struct walk *w, const struct level *at)
{
    tj_str parent = tj_span_id_text(w->arena, at->parent);
    return tj_str_printf(w->arena, "%.*s/%zu", TJ_STR_ARG(parent), at->n);
}

/* Writes one span; its id is *out. */
static void write_span(const struct walk *w, const struct node *n,
                       const struct level *at, tj_span_id *out)
{
    tj_str id = text_id(w, n->m[M_ID]);
    bool derived;
    *out = span_id_of(w, id.len ? id : place_of(w, at), &derived);
    int32_t resource = resource_of(w, n);
    struct tj_span *s = tj_build_span(w->build, w->trace_id, *out);
    s->parent_id = parent_of(w, n, at);
    s->name = tj_json_str(n->m[M_NAME]);
    s->resource = resource;
    read_kind(s, n);
    read_status(s, n);
    write_times(s, n);
    if (derived)
        s->marks |= TJ_MARK_ID_DERIVED;
    if (derived && id.len > 0)
        tj_build_attr_text(w->build, TJ_STR("source.span_id"), id);
    if (tj_steps_has(n->m[M_INPUT]))
        tj_build_attr(w->build, TJ_STR("input.value"), n->m[M_INPUT]);
    if (tj_steps_has(n->m[M_OUTPUT]))
        tj_build_attr(w->build, TJ_STR("output.value"), n->m[M_OUTPUT]);
    if (tj_steps_has(n->m[M_ERROR])) {
        tj_build_attr(w->build, TJ_STR("error"), n->m[M_ERROR]);
        s->status = TJ_STATUS_ERROR;
        if (s->status_message.len == 0)
            s->status_message = tj_json_str(n->m[M_ERROR]);
    }
    write_members(w, n->m[M_ATTRIBUTES]);
    write_rest(w, n);
    write_events(w, n);
    write_links(w, n);
    tj_build_end(w->build);
}

static void push(struct walk *w, const struct tj_json *list, tj_span_id parent)
{
    if (!tj_json_is_array(list) || !tj_json_first(list))
        return;
    *tj_vec_add(&w->levels, w->arena) = (struct level){
        .list = list, .at = tj_json_first(list), .parent = parent};
}

/* The next span of the deepest level, then its children. */
static void step(struct walk *w)
{
    struct level *at = &w->levels.items[w->levels.count - 1];
    const struct tj_json *v = at->at;
    if (!v) {
        w->levels.count--;
        return;
    }
    at->n++;
    at->at = tj_json_next(at->list, v);
    if (!tj_json_is_object(v)) {
        tj_fmt_reject(w->batch, "a span is no object");
        return;
    }
    struct node n = node_of(v);
    tj_span_id id;
    write_span(w, &n, at, &id);
    push(w, n.m[M_CHILDREN], id);
}

/* The trace id that the file gives, or one from all that it says. */
static void find_trace(struct walk *w, const struct tj_json *doc,
                       const struct tj_json *first)
{
    tj_str text = text_id(w, tj_steps_get(doc, "trace_id"));
    if (text.len == 0)
        text = text_id(w, tj_steps_get(first, "trace_id"));
    w->trace_id =
        text.len ? trace_id_of(text)
                 : tj_steps_trace_id(TJ_STR("span-tree"), TJ_STR(""), first);
    tj_trace_id same;
    if (text.len > 0 && !tj_trace_id_parse(text, &same))
        tj_batch_info(w->batch, w->trace_id)->source_id = text;
}

static void walk_list(struct walk *w, const struct tj_json *list,
                      tj_span_id parent)
{
    push(w, list, parent);
    while (w->levels.count > 0)
        step(w);
}

/* Root number i of the file. */
static void parse_root(struct walk *w, const struct tj_json *root, size_t i)
{
    struct level top = {.n = i};
    struct node n = node_of(root);
    tj_span_id id;
    find_trace(w, root, root);
    write_span(w, &n, &top, &id);
    walk_list(w, n.m[M_CHILDREN], id);
}

static bool parse(const struct tj_json *doc, struct tj_build *b,
                  struct tj_batch *batch, struct tj_err *err)
{
    struct walk w = {.build = b, .batch = batch, .arena = batch->arena};
    const struct tj_json *list = tj_steps_get(doc, "spans");
    if (tj_json_is_array(list)) {
        find_trace(&w, doc, tj_json_first(list));
        walk_list(&w, list, (tj_span_id){0});
        return true;
    }
    if (tj_json_is_object(doc) && is_span(doc)) {
        parse_root(&w, doc, 0);
        return true;
    }
    if (!tj_json_is_array(doc) || !is_span(tj_json_first(doc)))
        return tj_fail(err, TJ_E_INPUT,
                       "offset 0: expected spans with child_spans or children");
    size_t i = 0;
    tj_json_each (doc, root) {
        if (tj_json_is_object(root))
            parse_root(&w, root, i++);
        else
            tj_fmt_reject(batch, "a span is no object");
    }
    return true;
}

const struct tj_format tj_fmt_span_tree = {
    .name = "span-tree",
    .help = "nested spans: child_spans (TRAIL), or children",
    .matches = matches,
    .parse_json = parse,
};
