/* transcript.c - a judgment as a trace of its own.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     judge NAME            AGENT   input: the subject, output: the verdict
 *       chat MODEL          LLM     one for each request
 *       execute_tool NAME   TOOL    one for each call
 *
 * A request's gen_ai.input.messages are those that were new in it: the whole
 * conversation is the spans in order, and nothing is stored twice.
 */
#include "judge/judge_int.h"

#include "text/json_write.h"
#include "trace/build.h"

enum { TEXT_BYTES_MAX = 67108864 };

struct writer {
    const struct tj_judge *j;
    struct tj_arena *a;
    struct tj_build *build;
    tj_trace_id trace_id;
    tj_span_id root;
};

static void add_text(struct writer *w, const char *key, tj_str text)
{
    if (text.len > 0)
        tj_build_attr_text(w->build, tj_str_c(key), text);
}

static void add_count(struct writer *w, const char *key, int64_t count)
{
    if (count >= 0)
        tj_build_attr_i64(w->build, tj_str_c(key), count);
}

static tj_time wall(const struct writer *w, uint64_t mono_ns)
{
    return w->j->start_time + (mono_ns - w->j->budget.start_ns);
}

static struct tj_span *open_span(struct writer *w, size_t index, tj_str name,
                                 enum tj_kind kind)
{
    tj_str path = tj_str_printf(w->a, "%zu", index);
    struct tj_span *s = tj_build_span(w->build, w->trace_id,
                                      tj_build_child_id(w->trace_id, path));
    s->name = name;
    s->kind = kind;
    s->parent_id = w->root;
    return s;
}

/* -- messages, as OpenTelemetry's gen_ai conventions have them ------------ */

static void write_use(struct tj_json_writer *w, const struct tj_tool_use *use)
{
    tj_jw_object(w);
    tj_jw_key_str(w, "type", TJ_STR("tool_call"));
    tj_jw_key_str(w, "id", use->id);
    tj_jw_key_str(w, "name", use->name);
    tj_jw_key_str(w, "arguments", use->args);
    tj_jw_end(w);
}

static void write_message(struct tj_json_writer *w, const struct tj_message *m)
{
    static const char *const roles[] = {"user", "assistant", "tool"};
    bool is_tool = m->role == TJ_ROLE_TOOL;
    tj_jw_object(w);
    tj_jw_key_str(w, "role", tj_str_c(roles[m->role]));
    tj_jw_key(w, TJ_STR("parts"));
    tj_jw_array(w);
    if (m->text.len > 0) {
        tj_jw_object(w);
        tj_jw_key_str(w, "type",
                      is_tool ? TJ_STR("tool_call_response") : TJ_STR("text"));
        if (is_tool)
            tj_jw_key_str(w, "id", m->use_id);
        tj_jw_key_str(w, is_tool ? "response" : "content", m->text);
        tj_jw_end(w);
    }
    for (size_t i = 0; i < m->uses.count; i++)
        write_use(w, &m->uses.items[i]);
    tj_jw_end(w);
    tj_jw_end(w);
}

static void add_messages(struct writer *w, const char *key,
                         const struct tj_message *messages, size_t count)
{
    struct tj_buf text;
    struct tj_json_writer jw;
    tj_buf_init(&text, w->a, TEXT_BYTES_MAX);
    tj_json_writer_init(&jw, &text, TJ_JSON_COMPACT);
    tj_jw_array(&jw);
    for (size_t i = 0; i < count; i++) {
        /* What the model said is the output of the request before. */
        if (messages[i].role != TJ_ROLE_ASSISTANT || count == 1)
            write_message(&jw, &messages[i]);
    }
    tj_jw_end(&jw);
    if (!text.full)
        add_text(w, key, tj_buf_str(&text));
}

/* -- spans ---------------------------------------------------------------- */

static void write_ask(struct writer *w, const struct tj_judge_event *e,
                      size_t index)
{
    tj_str uri = w->j->verdict.model;
    struct tj_span *s =
        open_span(w, index, tj_str_printf(w->a, "chat %.*s", TJ_STR_ARG(uri)),
                  TJ_KIND_LLM);
    s->start = wall(w, e->start_ns);
    s->end = e->end_ns ? wall(w, e->end_ns) : 0;
    s->status = e->error.len ? TJ_STATUS_ERROR : TJ_STATUS_OK;
    s->status_message = e->error;
    add_text(w, "gen_ai.operation.name", TJ_STR("chat"));
    add_text(w, "gen_ai.request.model", uri);
    add_text(w, "gen_ai.response.model", e->model);
    add_count(w, "gen_ai.usage.input_tokens", e->usage.input_tokens);
    add_count(w, "gen_ai.usage.output_tokens", e->usage.output_tokens);
    add_count(w, "gen_ai.usage.cache_read.input_tokens",
              e->usage.cached_input_tokens);
    tj_build_attr_i64(w->build, TJ_STR("tracejudge.round"), e->round);
    if (index == 0)
        add_text(w, "gen_ai.system_instructions", w->j->system);
    add_messages(w, "gen_ai.input.messages", e->sent, e->sent_count);
    if (e->end_ns)
        add_messages(w, "gen_ai.output.messages", &e->received, 1);
    tj_build_end(w->build);
}

static void write_tool(struct writer *w, const struct tj_judge_event *e,
                       size_t index)
{
    struct tj_span *s =
        open_span(w, index,
                  tj_str_printf(w->a, "execute_tool %.*s",
                                (int)tj_size_min(e->name.len, 64),
                                e->name.ptr ? e->name.ptr : ""),
                  TJ_KIND_TOOL);
    s->start = wall(w, e->start_ns);
    s->end = wall(w, e->end_ns);
    s->status = TJ_STATUS_OK;
    add_text(w, "gen_ai.operation.name", TJ_STR("execute_tool"));
    add_text(w, "gen_ai.tool.name", e->name);
    add_text(w, "gen_ai.tool.call.id", e->id);
    add_text(w, "gen_ai.tool.call.arguments", e->args);
    add_text(w, "gen_ai.tool.call.result", e->result);
    tj_build_attr_bool(w->build, TJ_STR("tracejudge.refused"), e->refused);
    tj_build_attr_bool(w->build, TJ_STR("tracejudge.repeated"), e->repeated);
    tj_build_end(w->build);
}

static void add_json(struct writer *w, const char *key,
                     const struct tj_buf *text)
{
    if (!text->full)
        add_text(w, key, tj_buf_str(text));
}

static void write_root(struct writer *w)
{
    const struct tj_verdict *v = &w->j->verdict;
    struct tj_span *s = tj_build_span(w->build, w->trace_id, w->root);
    s->name = tj_str_printf(w->a, "judge %.*s", TJ_STR_ARG(v->judge));
    s->kind = TJ_KIND_AGENT;
    s->start = w->j->start_time;
    s->end = w->j->start_time + v->duration_ns;
    bool failed = v->state == TJ_VERDICT_ERROR;
    s->status = failed ? TJ_STATUS_ERROR : TJ_STATUS_OK;
    s->status_message = v->error_message;
    struct tj_buf in, out;
    struct tj_json_writer jw;
    tj_buf_init(&in, w->a, TEXT_BYTES_MAX);
    tj_json_writer_init(&jw, &in, TJ_JSON_COMPACT);
    tj_jw_object(&jw);
    tj_jw_key_str(&jw, "trace_id", tj_trace_id_mlflow(w->a, v->trace_id));
    tj_jw_key_str(&jw, "criteria", w->j->def->instructions);
    tj_jw_end(&jw);
    tj_buf_init(&out, w->a, TEXT_BYTES_MAX);
    tj_json_writer_init(&jw, &out, TJ_JSON_COMPACT);
    tj_verdict_write(&jw, v);
    add_text(w, "gen_ai.operation.name", TJ_STR("invoke_agent"));
    add_text(w, "gen_ai.agent.name", v->judge);
    add_json(w, "mlflow.spanInputs", &in);
    add_json(w, "mlflow.spanOutputs", &out);
    tj_build_end(w->build);
}

static tj_trace_id run_id(const struct tj_judge *j, struct tj_arena *a)
{
    return tj_trace_id_derive(
        tj_str_printf(a, "tracejudge run %.*s of %.*s on %.*s",
                      TJ_STR_ARG(j->nonce), TJ_STR_ARG(j->def->digest),
                      TJ_STR_ARG(tj_trace_id_text(a, j->verdict.trace_id))));
}

void tj_judge_transcript(const struct tj_judge *j, struct tj_arena *a,
                         struct tj_batch *out)
{
    tj_batch_init(out, a);
    struct writer w = {
        .j = j,
        .a = a,
        .build = tj_build_new(a, out),
        .trace_id = run_id(j, a),
    };
    w.root = tj_build_child_id(w.trace_id, TJ_STR("judge"));
    struct tj_trace_info *info = tj_batch_info(out, w.trace_id);
    info->name = tj_str_printf(a, "judge %.*s", TJ_STR_ARG(j->def->name));
    info->state =
        j->verdict.state == TJ_VERDICT_ERROR ? TJ_STATE_ERROR : TJ_STATE_OK;
    tj_pairs_set(&info->tags, a, TJ_STR(TJ_TAG_SOURCE_SCORER), j->def->name);
    if (!tj_trace_id_is_none(j->verdict.trace_id))
        tj_pairs_set(&info->tags, a, TJ_STR("tracejudge.subject"),
                     tj_trace_id_mlflow(a, j->verdict.trace_id));
    write_root(&w);
    for (size_t i = 0; i < j->events.count; i++) {
        const struct tj_judge_event *e = &j->events.items[i];
        if (e->is_tool)
            write_tool(&w, e, i);
        else
            write_ask(&w, e, i);
    }
}
