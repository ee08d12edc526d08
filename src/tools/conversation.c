/* conversation.c - a run as the turns of a conversation.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The spans are walked as a person would tell them: on entering a span its
 * input, on leaving it its output.  Roots and the spans that speak (models,
 * agents, tools, retrievers) take part; wrappers between them only repeat.
 *
 * What was said is remembered by text and how often it came.  An input shows
 * a message when it holds it more often than it came so far.  Tool calls and
 * results are known by their call id, too.
 */
#include "tools/conversation.h"

#include "base/map.h"
#include "text/plain.h"
#include "tools/tool_int.h"

enum {
    VOICE_COUNT = TJ_VOICE_OBSERVATION + 1,
    /* Longer values are no chat and would cost time and memory to parse. */
    VALUE_BYTES_MAX = 32 << 20,
};

static const char *const voices[] = {"instruction", "claim", "observation"};

const char *tj_voice_name(enum tj_voice voice)
{
    return voices[voice];
}

struct said {
    uint64_t total; /* turns with this text */
    uint64_t here;  /* how often it came in value number `value` */
    uint64_t value;
};

struct reader {
    struct tj_trace *trace;
    struct tj_arena *arena;
    struct tj_map texts[VOICE_COUNT]; /* to struct said */
    struct tj_map ids[VOICE_COUNT];   /* call ids that were shown */
    uint64_t value;                   /* counts the values that were read */
    tj_turns *out;
};

/* Where a part comes from. */
struct place {
    size_t span;
    int32_t field;
    tj_str text; /* of the field */
    bool is_output;
};

static bool is_one_of(tj_str word, const char *const *words)
{
    for (; *words; words++)
        if (tj_str_eq_fold(word, tj_str_c(*words)))
            return true;
    return false;
}

static enum tj_voice voice_of(const struct tj_part *part)
{
    static const char *const tools[] = {"tool", "function", NULL};
    static const char *const heard[] = {"system", "developer", "user", "human",
                                        NULL};
    if (part->kind == TJ_PART_TOOL_RESULT || is_one_of(part->role, tools))
        return TJ_VOICE_OBSERVATION;
    if (part->kind == TJ_PART_TOOL_CALL || part->kind == TJ_PART_REASONING)
        return TJ_VOICE_CLAIM;
    return !part->role.len || is_one_of(part->role, heard)
               ? TJ_VOICE_INSTRUCTION
               : TJ_VOICE_CLAIM;
}

static tj_str id_of(const struct tj_part *part)
{
    bool joined =
        part->kind == TJ_PART_TOOL_CALL || part->kind == TJ_PART_TOOL_RESULT;
    return joined ? part->call_id : (tj_str){0};
}

/* Counts the part as seen in this value and says whether it was shown. */
static bool was_said(struct reader *r, const struct tj_part *part,
                     enum tj_voice voice)
{
    tj_str id = id_of(part);
    if (id.len && tj_map_find(&r->ids[voice], id))
        return true;
    struct tj_map_entry *e =
        tj_map_find(&r->texts[voice], tj_str_trim(part->text));
    if (!e)
        return false;
    struct said *s = e->ptr;
    if (s->value != r->value)
        *s = (struct said){.total = s->total, .value = r->value};
    s->here++;
    return s->here <= s->total;
}

static void remember(struct reader *r, const struct tj_part *part,
                     enum tj_voice voice)
{
    bool fresh;
    struct tj_map_entry *e =
        tj_map_add(&r->texts[voice], tj_str_trim(part->text), &fresh);
    if (fresh) {
        struct said *s = tj_arena_new(r->arena, struct said);
        *s = (struct said){.value = r->value, .here = 1};
        e->ptr = s;
    }
    ((struct said *)e->ptr)->total++;
    if (id_of(part).len)
        (void)tj_map_add(&r->ids[voice], id_of(part), &fresh);
}

static bool is_inside(tj_str whole, tj_str part)
{
    return part.ptr >= whole.ptr &&
           part.ptr + part.len <= whole.ptr + whole.len;
}

/* Adds the part as a turn; what it points to is kept if it must be. */
static void add_turn(struct reader *r, const struct place *place,
                     const struct tj_part *part, enum tj_voice voice)
{
    struct tj_turn *t = tj_vec_add(r->out, r->arena);
    *t = (struct tj_turn){
        .span = place->span,
        .field = place->field,
        .voice = voice,
        .part = *part,
        .offset = UINT64_MAX,
    };
    t->part.role = tj_str_dup(r->arena, part->role);
    t->part.name = tj_str_dup(r->arena, part->name);
    t->part.call_id = tj_str_dup(r->arena, part->call_id);
    if (part->text.len && !is_inside(place->text, part->text)) {
        size_t at = tj_str_find(place->text, part->text);
        if (at == (size_t)-1)
            t->part.text = tj_str_dup(r->arena, part->text);
        else
            t->part.text = tj_str_slice(place->text, at, part->text.len);
    }
    if (part->text.len && is_inside(place->text, t->part.text))
        t->offset = (uint64_t)(t->part.text.ptr - place->text.ptr);
    remember(r, &t->part, voice);
}

/* Messages of a value in which old ones come again.  A model's new answer is
 * always shown: saying the same twice is something to see. */
static void add_parts(struct reader *r, const struct place *place,
                      const tj_parts *parts)
{
    tj_vec_each (parts, const struct tj_part, part) {
        enum tj_voice voice = voice_of(part);
        bool known = was_said(r, part, voice);
        bool fresh_answer = place->is_output && part->kind == TJ_PART_TEXT;
        if (part->text.len || part->kind == TJ_PART_TOOL_CALL)
            if (!known || fresh_answer)
                add_turn(r, place, part, voice);
    }
}

/* False: the text is no conversation. */
static bool add_messages(struct reader *r, const struct place *place,
                         tj_str role)
{
    const struct tj_span *span = &r->trace->spans[place->span];
    const struct tj_field *f = tj_span_text_field(span, (size_t)place->field);
    if (f->type != TJ_FIELD_JSON || place->text.len > VALUE_BYTES_MAX)
        return false;
    struct tj_arena scratch = {0};
    struct tj_json_doc doc;
    struct tj_err ignored;
    tj_parts parts = {0};
    bool chat = tj_plain_parse(place->text, &scratch, &doc, &ignored) &&
                tj_messages_read(doc.root, role, &scratch, &parts);
    if (chat)
        add_parts(r, place, &parts);
    tj_arena_release(&scratch);
    return chat;
}

static bool is_result_kind(enum tj_kind kind)
{
    return kind == TJ_KIND_TOOL || kind == TJ_KIND_RETRIEVER ||
           kind == TJ_KIND_RERANKER || kind == TJ_KIND_MEMORY ||
           kind == TJ_KIND_GUARDRAIL;
}

static void add_tool(struct reader *r, const struct place *place)
{
    const struct tj_span *span = &r->trace->spans[place->span];
    struct tj_part part = {
        .kind = place->is_output ? TJ_PART_TOOL_RESULT : TJ_PART_TOOL_CALL,
        .role = place->is_output ? TJ_STR("tool") : TJ_STR("assistant"),
        .name = span->tool_name.len ? span->tool_name : span->name,
        .call_id = span->tool_call_id,
        .text = place->text,
    };
    enum tj_voice voice = voice_of(&part);
    if (!was_said(r, &part, voice))
        add_turn(r, place, &part, voice);
}

static void add_value(struct reader *r, const struct place *place)
{
    const struct tj_span *span = &r->trace->spans[place->span];
    bool root = r->trace->tree.parent[place->span] < 0;
    tj_str role = place->is_output ? TJ_STR("assistant") : TJ_STR("user");
    r->value++;
    if (is_result_kind(span->kind)) {
        add_tool(r, place);
        return;
    }
    if (add_messages(r, place, role))
        return;
    bool speaks = root || tj_kind_is_model(span->kind) ||
                  (span->kind == TJ_KIND_AGENT && place->is_output);
    if (!speaks)
        return;
    tj_parts one = {0};
    struct tj_part *part = tj_vec_add(&one, r->arena);
    *part = (struct tj_part){
        .kind = TJ_PART_TEXT,
        .role = role,
        .name = span->kind == TJ_KIND_AGENT ? span->name : (tj_str){0},
        .text = place->text,
    };
    /* A root's or an agent's answer is usually its last model's: once. */
    struct place said = *place;
    said.is_output = place->is_output && tj_kind_is_model(span->kind);
    add_parts(r, &said, &one);
}

static bool takes_part(const struct reader *r, size_t i)
{
    enum tj_kind kind = r->trace->spans[i].kind;
    return r->trace->tree.parent[i] < 0 || tj_kind_is_model(kind) ||
           is_result_kind(kind) || kind == TJ_KIND_AGENT ||
           r->trace->tree.child_count[i] == 0;
}

static bool read_side(struct reader *r, size_t i, const char *name,
                      struct tj_err *err)
{
    const struct tj_span *span = &r->trace->spans[i];
    if (!takes_part(r, i))
        return true;
    if (!tj_store_load_fields(r->trace, i, err))
        return false;
    struct place place = {
        .span = i,
        .field = tj_span_find_field(span, tj_str_c(name)),
        .is_output = name[0] == 'o',
    };
    if (place.field < 0)
        return true;
    if (!tj_field_text(r->trace, i, (size_t)place.field, &place.text, err))
        return false;
    if (place.text.len)
        add_value(r, &place);
    return true;
}

/* Leaves the spans whose subtree ended, up to the parent of the next. */
static bool leave_to(struct reader *r, int32_t *open, int32_t parent,
                     struct tj_err *err)
{
    while (*open >= 0 && *open != parent) {
        if (!read_side(r, (size_t)*open, "output", err))
            return false;
        *open = r->trace->tree.parent[*open];
    }
    return true;
}

bool tj_conversation_read(struct tj_trace *trace, struct tj_arena *a,
                          tj_turns *out, struct tj_err *err)
{
    struct reader r = {.trace = trace, .arena = a, .out = out};
    int32_t open = -1;
    *out = (tj_turns){0};
    for (size_t v = 0; v < VOICE_COUNT; v++) {
        tj_map_init(&r.texts[v], a);
        tj_map_init(&r.ids[v], a);
    }
    for (size_t i = 0; i < trace->span_count; i++) {
        if (!leave_to(&r, &open, trace->tree.parent[i], err) ||
            !read_side(&r, i, "input", err))
            return false;
        open = (int32_t)i;
    }
    return leave_to(&r, &open, -1, err);
}
