/* tool_conversation.c - get_conversation: the run as turns.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     turns 1-2 of 14, next_page_token: 2
 *     1 instruction user, 00000000000000a1 input @12, 40 bytes
 *     "What is the weather in Paris?"
 *     2 claim assistant calls get_weather, 00000000000000a3 output @0, ...
 */
#include <inttypes.h>

#include "text/utf8.h"
#include "tools/conversation.h"
#include "tools/tool_int.h"
#include "tools/tools.h"

enum {
    TEXT_BYTES_DEFAULT = 1000,
    TEXT_BYTES_LEAST = 100,
    TEXT_BYTES_MOST = 100000,
};

static const char *const voice_words[] = {"instruction", "claim", "observation",
                                          NULL};

static const char *kind_text(enum tj_part_kind kind)
{
    switch (kind) {
    case TJ_PART_TEXT: return "";
    case TJ_PART_REASONING: return " reasoning";
    case TJ_PART_TOOL_CALL: return " calls";
    case TJ_PART_TOOL_RESULT: return " result of";
    case TJ_PART_MEDIA: return " media";
    }
    return "";
}

static void put_turn(struct tj_tool_env *env, const struct tj_turn *t,
                     size_t number, size_t text_max, struct tj_buf *out)
{
    const struct tj_span *span = &env->trace->spans[t->span];
    const struct tj_part *part = &t->part;
    tj_buf_fmt(out, "%zu %s ", number, tj_voice_name(t->voice));
    tj_put_line(out, part->role, TJ_TOOL_NAME_BYTES);
    tj_buf_add(out, tj_str_c(kind_text(part->kind)));
    if (part->name.len) {
        tj_buf_byte(out, ' ');
        tj_put_line(out, part->name, TJ_TOOL_NAME_BYTES);
    }
    if (part->call_id.len) {
        tj_buf_add(out, TJ_STR(" #"));
        tj_put_line(out, part->call_id, TJ_TOOL_NAME_BYTES);
    }
    tj_buf_add(out, TJ_STR(", "));
    tj_put_id(out, span->span_id);
    tj_buf_byte(out, ' ');
    tj_put_line(out, span->fields[t->field].name, TJ_NAME_BYTES_MAX);
    if (t->offset != UINT64_MAX)
        tj_buf_fmt(out, " @%" PRIu64, t->offset);
    tj_buf_fmt(out, ", %zu bytes\n", part->text.len);
    tj_str shown = tj_utf8_clip(part->text, text_max);
    tj_put_quoted(out, shown);
    tj_buf_add(out,
               shown.len < part->text.len ? TJ_STR("...\n") : TJ_STR("\n"));
}

static void saw(struct tj_tool_env *env, const struct tj_turn *t,
                size_t text_max)
{
    tj_str shown = tj_utf8_clip(t->part.text, text_max);
    bool exact = t->offset != UINT64_MAX;
    tj_tool_saw(env, t->span, (size_t)t->field, exact ? t->offset : 0,
                exact ? shown.len : 0);
    tj_tool_listed(env, t->span);
}

static tj_turns narrow(const tj_turns *all, tj_str voice, struct tj_arena *a)
{
    if (!voice.len)
        return *all;
    tj_turns out = {0};
    tj_vec_each (all, struct tj_turn, t) {
        if (tj_str_eq_fold(voice, tj_str_c(tj_voice_name(t->voice))))
            *tj_vec_add(&out, a) = *t;
    }
    return out;
}

static bool run(struct tj_tool_env *env, const struct tj_json *args,
                struct tj_buf *out, bool *refused, struct tj_err *err)
{
    uint64_t offset;
    tj_turns all;
    if (!tj_arg_page(args, out, refused, &offset))
        return true;
    if (!tj_conversation_read(env->trace, env->step, &all, err))
        return false;
    tj_turns turns = narrow(&all, tj_arg_str(args, "voice"), env->step);
    size_t rows_max = (size_t)tj_arg_i64(args, "max_results", 50);
    struct tj_buf body;
    tj_tool_body(env, &body);
    /* One turn always fits, with its line and its marks. */
    size_t text_max = tj_size_min(
        (size_t)tj_arg_i64(args, "max_text_length", TEXT_BYTES_DEFAULT),
        body.bytes_max - 3072);
    size_t shown = 0;
    for (size_t i = offset; i < turns.count && shown < rows_max; i++, shown++) {
        size_t mark = body.len;
        put_turn(env, &turns.items[i], i + 1, text_max, &body);
        if (!tj_tool_row_fits(&body, mark))
            break;
        saw(env, &turns.items[i], text_max);
    }
    tj_buf_add(out, TJ_STR("turns "));
    tj_put_page(out, offset, shown, turns.count);
    tj_buf_add(out, TJ_STR("; claim: a model wrote it, observation: a tool "
                           "returned it, instruction: system or user said "
                           "it\n"));
    tj_buf_add(out, tj_buf_str(&body));
    return true;
}

static const struct tj_param params[] = {
    {"max_results", TJ_PARAM_INT, false, "Turns a page. Default 50.", 1, 10000,
     NULL},
    {"page_token", TJ_PARAM_STRING, false,
     "next_page_token of the page before.", 0, 0, NULL},
    {"max_text_length", TJ_PARAM_INT, false,
     "Bytes of each turn's text. Default 1000.", TEXT_BYTES_LEAST,
     TEXT_BYTES_MOST, NULL},
    {"voice", TJ_PARAM_STRING, false, "Only these turns.", 0, 0, voice_words},
    {0},
};

const struct tj_tool tj_tool_get_conversation = {
    .name = "get_conversation",
    .help = "The run as a conversation: each message, tool call and tool "
            "result once, in order, with the span_id and field to quote it "
            "from. Claims (model text) and observations (tool results) are "
            "told apart.",
    .params = params,
    .run = run,
};
