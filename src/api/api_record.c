/* api_record.c - the tracing SDK: spans recorded by a C program.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     struct tj_active (root) --> struct tj_recording <-- struct tj_active ...
 *
 * A recording is one trace under way: an arena, a builder's worth of facts
 * per span, and a lock.  Spans hold a reference; the last one to end frees
 * it.  Facts are kept as they are told and go through trace/build.h when the
 * root ends, so that a recorded span and an imported one are made by the same
 * code.
 */
#include "api/api_int.h"

#include <math.h>
#include <string.h>

#include "base/heap.h"
#include "trace/build.h"

enum fact_kind {
    FACT_JSON,
    FACT_TEXT,
    FACT_INT,
    FACT_DOUBLE,
    FACT_EVENT,
    FACT_EVENT_TEXT,
};

struct fact {
    enum fact_kind kind;
    tj_str key;
    tj_str text;
    int64_t integer;
    double number;
    tj_time time;
};

struct tj_recording;

struct tj_active {
    struct tj_recording *of;
    struct tj_active *older; /* the recording's list of all spans */
    tj_span_id id;
    tj_span_id parent_id;
    char trace_id[33];
    tj_str name;
    tj_str kind;
    tj_time start;
    tj_time end;     /* 0: still open */
    tj_time end_set; /* by tj_set_times */
    bool failed;
    bool ended;
    tj_str failure;
    TJ_VEC(struct fact) facts;
};

/* One trace.  lock guards everything in it but what a span's own thread
 * writes to its struct tj_active. */
struct tj_recording {
    struct tracejudge *tj;
    struct tj_recording *next; /* the handle's list, under its lock */
    struct tj_recording **link;
    pthread_mutex_t lock;
    struct tj_arena arena;
    struct tj_active *spans; /* newest first */
    struct tj_active *root;
    size_t open_count;
    bool stored;
    tj_trace_id trace_id;
    tj_pairs tags;
    tj_str session;
    tj_str user;
};

static tj_str keep(struct tj_recording *r, const char *text)
{
    return tj_str_dup(&r->arena, tj_str_c(text));
}

static struct tj_active *add_span(struct tj_recording *r, tj_span_id parent,
                                  const char *name, const char *kind)
{
    struct tj_active *span = tj_arena_new(&r->arena, struct tj_active);
    struct tj_arena scratch = {0};
    tj_str id = tj_trace_id_text(&scratch, r->trace_id);
    memcpy(span->trace_id, id.ptr, id.len);
    tj_arena_release(&scratch);
    span->of = r;
    span->older = r->spans;
    span->id = tj_span_id_random();
    span->parent_id = parent;
    span->name = keep(r, name);
    span->kind = keep(r, kind);
    span->start = tj_now();
    r->spans = span;
    r->open_count++;
    return span;
}

struct tj_active *tj_start_trace(struct tracejudge *tj, const char *name,
                                 const char *kind)
{
    struct tj_recording *r = tj_heap_new(sizeof *r);
    r->tj = tj;
    (void)pthread_mutex_init(&r->lock, NULL);
    r->trace_id = tj_trace_id_random();
    r->root = add_span(r, (tj_span_id){0}, name, kind);
    (void)pthread_mutex_lock(&tj->lock);
    r->link = &tj->recordings;
    r->next = tj->recordings;
    if (r->next)
        r->next->link = &r->next;
    tj->recordings = r;
    (void)pthread_mutex_unlock(&tj->lock);
    return r->root;
}

struct tj_active *tj_start_span(struct tj_active *parent, const char *name,
                                const char *kind)
{
    struct tj_recording *r = parent->of;
    (void)pthread_mutex_lock(&r->lock);
    struct tj_active *span = add_span(r, parent->id, name, kind);
    (void)pthread_mutex_unlock(&r->lock);
    return span;
}

static void add_fact(struct tj_active *span, const char *key, struct fact fact,
                     const char *text)
{
    struct tj_recording *r = span->of;
    (void)pthread_mutex_lock(&r->lock);
    fact.key = keep(r, key);
    fact.text = keep(r, text);
    *tj_vec_add(&span->facts, &r->arena) = fact;
    (void)pthread_mutex_unlock(&r->lock);
}

void tj_set_attribute(struct tj_active *span, const char *key, const char *json)
{
    add_fact(span, key, (struct fact){.kind = FACT_JSON}, json);
}

void tj_set_attribute_text(struct tj_active *span, const char *key,
                           const char *text)
{
    add_fact(span, key, (struct fact){.kind = FACT_TEXT}, text);
}

void tj_set_attribute_int(struct tj_active *span, const char *key,
                          int64_t value)
{
    add_fact(span, key, (struct fact){.kind = FACT_INT, .integer = value}, "");
}

void tj_set_attribute_double(struct tj_active *span, const char *key,
                             double value)
{
    add_fact(span, key, (struct fact){.kind = FACT_DOUBLE, .number = value},
             "");
}

void tj_set_inputs(struct tj_active *span, const char *json)
{
    tj_set_attribute(span, "mlflow.spanInputs", json);
}

void tj_set_inputs_text(struct tj_active *span, const char *text)
{
    tj_set_attribute_text(span, "mlflow.spanInputs", text);
}

void tj_set_outputs(struct tj_active *span, const char *json)
{
    tj_set_attribute(span, "mlflow.spanOutputs", json);
}

void tj_set_outputs_text(struct tj_active *span, const char *text)
{
    tj_set_attribute_text(span, "mlflow.spanOutputs", text);
}

void tj_add_event(struct tj_active *span, const char *name)
{
    add_fact(span, name, (struct fact){.kind = FACT_EVENT, .time = tj_now()},
             "");
}

void tj_record_error(struct tj_active *span, const char *type,
                     const char *message)
{
    tj_add_event(span, "exception");
    struct fact text = {.kind = FACT_EVENT_TEXT};
    add_fact(span, "exception.type", text, type ? type : "Error");
    add_fact(span, "exception.message", text, message);
    (void)pthread_mutex_lock(&span->of->lock);
    span->failed = true;
    span->failure = keep(span->of, message);
    (void)pthread_mutex_unlock(&span->of->lock);
}

void tj_set_trace_tag(struct tj_active *span, const char *key,
                      const char *value)
{
    struct tj_recording *r = span->of;
    (void)pthread_mutex_lock(&r->lock);
    tj_pairs_set(&r->tags, &r->arena, keep(r, key), keep(r, value));
    (void)pthread_mutex_unlock(&r->lock);
}

void tj_set_trace_session(struct tj_active *span, const char *session,
                          const char *user)
{
    struct tj_recording *r = span->of;
    (void)pthread_mutex_lock(&r->lock);
    if (session)
        r->session = keep(r, session);
    if (user)
        r->user = keep(r, user);
    (void)pthread_mutex_unlock(&r->lock);
}

void tj_set_times(struct tj_active *span, uint64_t start_ns, uint64_t end_ns)
{
    if (start_ns)
        span->start = start_ns;
    if (end_ns)
        span->end_set = end_ns;
}

const char *tj_active_trace_id(const struct tj_active *span)
{
    return span->trace_id;
}

/* JSON that does not parse is kept as the text it is. */
static void build_json(struct tj_build *b, const struct fact *fact,
                       struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (tj_json_parse(fact->text, a, &doc, &ignored))
        tj_build_attr(b, fact->key, doc.root);
    else
        tj_build_attr_text(b, fact->key, fact->text);
}

static void build_fact(struct tj_build *b, const struct fact *fact,
                       struct tj_arena *a)
{
    switch (fact->kind) {
    case FACT_JSON: build_json(b, fact, a); break;
    case FACT_TEXT: tj_build_attr_text(b, fact->key, fact->text); break;
    case FACT_INT: tj_build_attr_i64(b, fact->key, fact->integer); break;
    case FACT_DOUBLE: tj_build_attr_double(b, fact->key, fact->number); break;
    case FACT_EVENT: tj_build_event(b, fact->key, fact->time); break;
    case FACT_EVENT_TEXT:
        tj_build_event_attr_text(b, fact->key, fact->text);
        break;
    }
}

static void build_span(struct tj_build *b, const struct tj_active *from,
                       struct tj_arena *a)
{
    struct tj_span *span = tj_build_span(b, from->of->trace_id, from->id);
    span->parent_id = from->parent_id;
    span->name = from->name;
    span->start = from->start;
    span->end = from->end;
    if (from->failed)
        span->status = TJ_STATUS_ERROR;
    else if (from->ended)
        span->status = TJ_STATUS_OK;
    span->status_message = from->failure;
    if (from->kind.len)
        tj_build_attr_text(b, TJ_STR("mlflow.spanType"), from->kind);
    for (size_t i = 0; i < from->facts.count; i++)
        build_fact(b, &from->facts.items[i], a);
    tj_build_end(b);
}

/* With the lock held: the whole recording as one batch into the store. */
static bool store_recording(struct tj_recording *r, struct tj_err *err)
{
    struct tj_batch batch;
    tj_batch_init(&batch, &r->arena);
    struct tj_build *b = tj_build_new(&r->arena, &batch);
    /* The list is newest first; arrival order is oldest first. */
    TJ_VEC(const struct tj_active *) spans = {0};
    for (const struct tj_active *s = r->spans; s; s = s->older)
        *tj_vec_add(&spans, &r->arena) = s;
    for (size_t i = spans.count; i-- > 0;)
        build_span(b, spans.items[i], &r->arena);
    struct tj_trace_info *info = tj_batch_info(&batch, r->trace_id);
    info->tags = r->tags;
    info->session = r->session;
    info->user = r->user;
    return tj_store_add_batch(r->tj->store, &batch, err);
}

/* With the handle's lock held. */
static void free_recording(struct tj_recording *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    (void)pthread_mutex_destroy(&r->lock);
    tj_arena_release(&r->arena);
    tj_heap_free(r);
}

bool tj_end_span(struct tj_active *span, struct tj_error *err)
{
    struct tj_recording *r = span->of;
    struct tj_err why = {0};
    bool ok = true;
    (void)pthread_mutex_lock(&r->lock);
    assert(!span->ended);
    span->end = span->end_set ? span->end_set : tj_now();
    span->ended = true;
    r->open_count--;
    /* After the root, each late child stores the trace again: an upsert. */
    if (span == r->root || r->stored) {
        ok = store_recording(r, &why);
        r->stored = true;
    }
    if (ok && span == r->root) {
        (void)pthread_mutex_lock(&r->tj->lock);
        memcpy(r->tj->last_trace, span->trace_id, sizeof r->tj->last_trace);
        (void)pthread_mutex_unlock(&r->tj->lock);
    }
    bool last = r->open_count == 0 && r->stored;
    (void)pthread_mutex_unlock(&r->lock);
    if (last) {
        struct tracejudge *tj = r->tj;
        (void)pthread_mutex_lock(&tj->lock);
        free_recording(r);
        (void)pthread_mutex_unlock(&tj->lock);
    }
    return ok || tj_api_fail(&why, err);
}

void tj_api_drop_recordings(struct tracejudge *tj)
{
    (void)pthread_mutex_lock(&tj->lock);
    while (tj->recordings)
        free_recording(tj->recordings);
    (void)pthread_mutex_unlock(&tj->lock);
}

const char *tj_last_active_trace_id(struct tracejudge *tj)
{
    return tj->last_trace;
}
