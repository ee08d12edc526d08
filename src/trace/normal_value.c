/* normal_value.c - the fields input, output and error of a span.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Mostly an attribute *is* the input and its text is shared.  Two conventions
 * spread one value over many attributes instead:
 *
 *     llm.input_messages.0.message.role = user       OpenInference and
 *     gen_ai.prompt.0.content = ...                   OpenLLMetry: dotted keys
 *     event gen_ai.user.message {content: ...}        OpenTelemetry before
 *                                                     2025: one event each
 *
 * Both become one JSON array of messages with a text of its own.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "text/plain.h"
#include "trace/normal_int.h"

static struct tj_field *add_field(struct tj_normal_run *run, tj_str name)
{
    struct tj_span *span = run->span;
    size_t size = span->field_count * sizeof *span->fields;
    span->fields = tj_arena_grow(run->arena, span->fields, size,
                                 size + sizeof *span->fields);
    struct tj_field *f = &span->fields[span->field_count++];
    *f = (struct tj_field){.name = name, .same_as = TJ_FIELD_NOT_SHARED};
    return f;
}

static void share_field(struct tj_normal_run *run, tj_str name, size_t field)
{
    struct tj_field *f = add_field(run, name);
    const struct tj_field *from = &run->span->fields[field];
    f->text = from->text;
    f->type = from->type;
    f->flags = from->flags;
    f->same_as = (int32_t)field;
}

static void own_field(struct tj_normal_run *run, tj_str name, tj_str text,
                      enum tj_field_type type)
{
    struct tj_field *f = add_field(run, name);
    f->text = text;
    f->type = (uint8_t)type;
}

static tj_str field_name_of(const struct tj_rule *rule)
{
    return rule->which == TJ_NORMAL_INPUT ? TJ_STR("input") : TJ_STR("output");
}

/* As the value of a member: strings get their marks, the rest is plain. */
static void put_value(struct tj_buf *out, const struct tj_field *f)
{
    if (f->type == TJ_FIELD_STRING || f->type == TJ_FIELD_BYTES)
        tj_plain_string(out, f->text);
    else
        tj_buf_add(out, f->text);
}

static void put_key(struct tj_buf *out, tj_str key)
{
    tj_plain_string(out, key);
    tj_buf_add(out, TJ_STR(": "));
}

/* -- dotted keys ---------------------------------------------------------- */

/* One attribute of the family: its key behind the prefix, as segments. */
struct leaf {
    tj_str path;
    const struct tj_field *field;
};

enum { SEGMENTS_MAX = 32 };

static bool segment_index(tj_str segment, uint64_t *index)
{
    return segment.len <= 9 && tj_str_to_u64(segment, index);
}

/* Names before numbers, numbers by value: so the first child of a container
 * is a number only when all are, and then it is an array. */
static int compare_segments(tj_str a, tj_str b)
{
    uint64_t x = 0;
    uint64_t y = 0;
    bool a_is_index = segment_index(a, &x);
    bool b_is_index = segment_index(b, &y);
    if (a_is_index != b_is_index)
        return a_is_index ? 1 : -1;
    if (!a_is_index)
        return tj_str_cmp(a, b);
    return x < y ? -1 : x > y;
}

static int compare_leaves(const void *left, const void *right)
{
    tj_str a = ((const struct leaf *)left)->path;
    tj_str b = ((const struct leaf *)right)->path;
    while (a.ptr && b.ptr) {
        int order = compare_segments(tj_str_cut(&a, '.'), tj_str_cut(&b, '.'));
        if (order)
            return order;
    }
    return a.ptr ? 1 : b.ptr ? -1 : 0;
}

/* OpenInference wraps each thing in its type's name ("0.message.role"); that
 * level says nothing. */
static bool is_wrapper(tj_str segment)
{
    return tj_str_eq(segment, TJ_STR("message")) ||
           tj_str_eq(segment, TJ_STR("tool_call")) ||
           tj_str_eq(segment, TJ_STR("message_content"));
}

static size_t split(tj_str path, tj_str out[SEGMENTS_MAX])
{
    size_t n = 0;
    while (path.ptr && n < SEGMENTS_MAX) {
        /* The deepest level takes all that is left. */
        tj_str segment = n + 1 < SEGMENTS_MAX ? tj_str_cut(&path, '.') : path;
        if (n + 1 == SEGMENTS_MAX)
            path = (tj_str){0};
        if (!path.ptr || !is_wrapper(segment))
            out[n++] = segment;
    }
    return n;
}

struct unflatten {
    struct tj_buf *out;
    tj_str open[SEGMENTS_MAX]; /* keys of what is open below the root */
    bool array[SEGMENTS_MAX + 1];
    bool fresh[SEGMENTS_MAX + 1];
    size_t depth;
};

static void open_container(struct unflatten *u, tj_str first_child)
{
    uint64_t index = 0;
    u->array[u->depth] = segment_index(first_child, &index);
    u->fresh[u->depth] = true;
    tj_buf_byte(u->out, u->array[u->depth] ? '[' : '{');
}

static void close_to(struct unflatten *u, size_t depth)
{
    for (; u->depth > depth; u->depth--)
        tj_buf_byte(u->out, u->array[u->depth] ? ']' : '}');
}

static void put_item_key(struct unflatten *u, tj_str key)
{
    if (!u->fresh[u->depth])
        tj_buf_add(u->out, TJ_STR(", "));
    u->fresh[u->depth] = false;
    if (!u->array[u->depth])
        put_key(u->out, key);
}

static void put_leaf(struct unflatten *u, const struct leaf *leaf)
{
    tj_str path[SEGMENTS_MAX] = {{0}};
    size_t n = split(leaf->path, path);
    size_t same = 0;
    while (same < u->depth && same + 1 < n &&
           tj_str_eq(u->open[same], path[same]))
        same++;
    close_to(u, same);
    for (; u->depth + 1 < n;) {
        put_item_key(u, path[u->depth]);
        u->open[u->depth] = path[u->depth];
        u->depth++;
        open_container(u, path[u->depth]);
    }
    put_item_key(u, path[n - 1]);
    put_value(u->out, leaf->field);
}

static size_t find_leaves(struct tj_normal_run *run, const char *key,
                          struct leaf **out)
{
    tj_str prefix = tj_str_printf(&run->scratch, "attributes.%s", key);
    const struct tj_span *span = run->span;
    struct leaf *leaves =
        tj_arena_array(&run->scratch, struct leaf, span->field_count);
    size_t n = 0;
    for (size_t i = 0; i < span->field_count; i++) {
        const struct tj_field *f = &span->fields[i];
        if (f->name.len > prefix.len && tj_str_starts(f->name, prefix))
            leaves[n++] = (struct leaf){
                tj_str_slice(f->name, prefix.len, f->name.len), f};
    }
    *out = leaves;
    return n;
}

static bool unflatten(struct tj_normal_run *run, const struct tj_rule *rule)
{
    struct leaf *leaves = NULL;
    size_t count = find_leaves(run, rule->key, &leaves);
    if (count == 0)
        return false;
    qsort(leaves, count, sizeof *leaves, compare_leaves);
    struct tj_buf b;
    tj_buf_init(&b, &run->scratch, TJ_IMPORT_BYTES_MAX);
    struct unflatten u = {.out = &b};
    tj_str path[SEGMENTS_MAX] = {{0}};
    (void)split(leaves[0].path, path);
    open_container(&u, path[0]);
    for (size_t i = 0; i < count; i++)
        put_leaf(&u, &leaves[i]);
    close_to(&u, 0);
    tj_buf_byte(&b, u.array[0] ? ']' : '}');
    if (b.full)
        return false;
    own_field(run, field_name_of(rule), tj_str_dup(run->arena, tj_buf_str(&b)),
              TJ_FIELD_JSON);
    return true;
}

/* -- message events ------------------------------------------------------- */

/* gen_ai.user.message -> "user"; gen_ai.choice -> "assistant"; empty for
 * any other event. */
static tj_str event_role(tj_str name, enum tj_normal *which)
{
    static const struct {
        const char *event;
        const char *role;
        enum tj_normal which;
    } roles[] = {
        {"gen_ai.system.message", "system", TJ_NORMAL_INPUT},
        {"gen_ai.user.message", "user", TJ_NORMAL_INPUT},
        {"gen_ai.assistant.message", "assistant", TJ_NORMAL_INPUT},
        {"gen_ai.tool.message", "tool", TJ_NORMAL_INPUT},
        {"gen_ai.choice", "assistant", TJ_NORMAL_OUTPUT},
    };
    for (size_t i = 0; i < TJ_COUNT(roles); i++) {
        if (tj_str_eq(name, tj_str_c(roles[i].event))) {
            *which = roles[i].which;
            return tj_str_c(roles[i].role);
        }
    }
    return (tj_str){0};
}

static tj_str event_field_name(struct tj_normal_run *run, size_t event,
                               const char *key)
{
    return tj_str_printf(&run->scratch, "events.%zu.%s", event, key);
}

static int32_t find_event_field(struct tj_normal_run *run, size_t event,
                                const char *key)
{
    return tj_span_find_field(run->span, event_field_name(run, event, key));
}

static size_t row_of_events(enum tj_normal which)
{
    size_t row = 0;
    while (row < tj_rule_count && (tj_rules[row].how != TJ_RULE_EVENTS ||
                                   tj_rules[row].which != which))
        row++;
    assert(row < tj_rule_count);
    return row;
}

void tj_normal_find_events(struct tj_normal_run *run)
{
    const struct tj_span *span = run->span;
    for (size_t i = 0; i < span->event_count; i++) {
        enum tj_normal which = TJ_NORMAL_INPUT;
        if (!event_role(span->events[i].name, &which).len)
            continue;
        int16_t *at = &run->at[row_of_events(which)];
        if (*at < 0)
            *at = (int16_t)find_event_field(run, i, "name");
    }
}

/* {"role": ..., and the event's attributes}.  Fields of events stand in the
 * order of their events, so one cursor serves all. */
static void put_event(struct tj_normal_run *run, struct tj_buf *out,
                      size_t event, size_t *cursor)
{
    enum tj_normal which = TJ_NORMAL_INPUT;
    const struct tj_span *span = run->span;
    tj_str role = event_role(span->events[event].name, &which);
    tj_str prefix = event_field_name(run, event, "");
    size_t at = *cursor;
    while (at < span->field_count &&
           !tj_str_starts(span->fields[at].name, prefix))
        at++;
    size_t end = at;
    for (; end < span->field_count &&
           tj_str_starts(span->fields[end].name, prefix);
         end++) {
        tj_str key = tj_str_slice(span->fields[end].name, prefix.len, SIZE_MAX);
        if (tj_str_eq(key, TJ_STR("role")))
            role = span->fields[end].text;
    }
    *cursor = end;
    tj_buf_byte(out, '{');
    put_key(out, TJ_STR("role"));
    tj_plain_string(out, role);
    for (; at < end; at++) {
        tj_str key = tj_str_slice(span->fields[at].name, prefix.len, SIZE_MAX);
        if (tj_str_eq(key, TJ_STR("name")) || tj_str_eq(key, TJ_STR("role")) ||
            tj_str_starts(key, TJ_STR("gen_ai.")))
            continue;
        tj_buf_add(out, TJ_STR(", "));
        put_key(out, key);
        put_value(out, &span->fields[at]);
    }
    tj_buf_byte(out, '}');
}

static bool from_events(struct tj_normal_run *run, const struct tj_rule *rule)
{
    struct tj_buf b;
    tj_buf_init(&b, &run->scratch, TJ_IMPORT_BYTES_MAX);
    const struct tj_span *span = run->span;
    size_t cursor = 0;
    for (size_t i = 0; i < span->event_count; i++) {
        enum tj_normal which = TJ_NORMAL_INPUT;
        if (!event_role(span->events[i].name, &which).len ||
            which != rule->which)
            continue;
        tj_buf_add(&b, b.len ? TJ_STR(", ") : TJ_STR("["));
        put_event(run, &b, i, &cursor);
    }
    tj_buf_byte(&b, ']');
    if (b.full)
        return false;
    own_field(run, field_name_of(rule), tj_str_dup(run->arena, tj_buf_str(&b)),
              TJ_FIELD_JSON);
    return true;
}

bool tj_normal_value(struct tj_normal_run *run, const struct tj_rule *rule,
                     size_t field)
{
    if (rule->how == TJ_RULE_FAMILY)
        return unflatten(run, rule);
    if (rule->how == TJ_RULE_EVENTS)
        return from_events(run, rule);
    share_field(run, field_name_of(rule), field);
    return true;
}

/* -- error ---------------------------------------------------------------- */

/* "Type: message", and the stack below it unless that says it all. */
static bool error_from_exception(struct tj_normal_run *run, size_t event)
{
    const struct tj_field *fields = run->span->fields;
    int32_t type = find_event_field(run, event, "exception.type");
    int32_t message = find_event_field(run, event, "exception.message");
    int32_t stack = find_event_field(run, event, "exception.stacktrace");
    tj_str said = message >= 0 ? fields[message].text : (tj_str){0};
    if (stack >= 0 && fields[stack].text.len &&
        tj_str_find(fields[stack].text, said) != (size_t)-1) {
        share_field(run, TJ_STR("error"), (size_t)stack);
        run->span->source[TJ_NORMAL_ERROR] = (int16_t)stack;
        return true;
    }
    if (type < 0 && !said.len)
        return false;
    tj_str kind = type >= 0 ? fields[type].text : (tj_str){0};
    tj_str trail = stack >= 0 ? fields[stack].text : (tj_str){0};
    struct tj_buf b;
    tj_buf_init(&b, &run->scratch, TJ_IMPORT_BYTES_MAX);
    tj_buf_add(&b, kind);
    tj_buf_add(&b, kind.len && said.len ? TJ_STR(": ") : TJ_STR(""));
    tj_buf_add(&b, said);
    tj_buf_add(&b, trail.len ? TJ_STR("\n") : TJ_STR(""));
    tj_buf_add(&b, trail);
    tj_str text = tj_str_dup(run->arena, tj_buf_str(&b));
    run->span->source[TJ_NORMAL_ERROR] =
        (int16_t)(message >= 0 ? message : type);
    own_field(run, TJ_STR("error"), text, TJ_FIELD_STRING);
    return true;
}

/* The last exception is the one that ended the span. */
static bool error_from_events(struct tj_normal_run *run)
{
    const struct tj_span *span = run->span;
    for (size_t i = span->event_count; i-- > 0;) {
        if (tj_str_eq(span->events[i].name, TJ_STR("exception")) &&
            error_from_exception(run, i))
            return true;
    }
    return false;
}

static bool error_from_attribute(struct tj_normal_run *run, const char *name)
{
    int32_t at = tj_span_find_field(run->span, tj_str_c(name));
    if (at < 0 || run->span->fields[at].text.len == 0)
        return false;
    share_field(run, TJ_STR("error"), (size_t)at);
    run->span->source[TJ_NORMAL_ERROR] = (int16_t)at;
    return true;
}

static bool attribute_is(const struct tj_span *span, const char *name,
                         const char *value)
{
    int32_t at = tj_span_find_field(span, tj_str_c(name));
    return at >= 0 && tj_str_eq_fold(span->fields[at].text, tj_str_c(value));
}

/* Attributes that say "this failed" where the status says nothing. */
static bool attributes_say_error(const struct tj_span *span)
{
    int32_t type = tj_span_find_field(span, TJ_STR("attributes.error.type"));
    return (type >= 0 && span->fields[type].text.len > 0) ||
           attribute_is(span, "attributes.langfuse.observation.level",
                        "ERROR") ||
           attribute_is(span, "attributes.error", "true");
}

void tj_normal_error(struct tj_normal_run *run)
{
    struct tj_span *span = run->span;
    if (span->status == TJ_STATUS_UNSET && attributes_say_error(span))
        span->status = TJ_STATUS_ERROR;
    if (tj_span_find_field(span, TJ_STR("error")) >= 0)
        return;
    /* An exception under status OK was dealt with. */
    if (span->status != TJ_STATUS_OK && error_from_events(run))
        return;
    if (span->status != TJ_STATUS_ERROR)
        return;
    if (span->status_message.len) {
        own_field(run, TJ_STR("error"), span->status_message, TJ_FIELD_STRING);
        span->source[TJ_NORMAL_ERROR] =
            (int16_t)tj_span_find_field(span, TJ_STR("status"));
        return;
    }
    (void)(error_from_attribute(run, "attributes.error.message") ||
           error_from_attribute(
               run, "attributes.langfuse.observation.status_message") ||
           error_from_attribute(run, "attributes.error.type"));
}
