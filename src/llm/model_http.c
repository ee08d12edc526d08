/* model_http.c - a model behind HTTP: limits, retries, memory of refusals.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     ask -> enter limiter -> send -> answer
 *              ^                        |
 *              |-- refused parameter ---|   at once, without that parameter
 *              |-- retry wanted: sleep -|   while tries and time are left
 *                                       '-> settle -> done
 *
 *  1. A 400 that names something that we can do without is learned by the
 *     model (for all its asks to come) and costs no retry.  What is learned is
 *     never sent again, so this ends.
 *  2. The deadline of an ask holds in every state; a retry that would wake
 *     after it is not begun.
 *  3. done comes from a timer of its own, never from inside ask or cancel.
 */
#include "base/heap.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/sha256.h"
#include "llm/limiter.h"
#include "llm/model_int.h"
#include "llm/model_later.h"
#include "llm/prices.h"
#include "llm/retry.h"
#include "net/http_client.h"

struct http_model {
    struct tj_model model; /* first */
    struct tj_arena arena;
    struct tj_endpoint endpoint;
    struct tj_http_client *client;
    struct tj_limiter *limiter;
    struct call *calls;
    uint32_t retries_max;
    unsigned dropped; /* features this model refused */
    tj_str no_params[TJ_DROPPED_PARAMS_MAX];
    size_t no_param_count;
};

/* One open ask. */
struct call {
    struct http_model *m;
    struct call *next;
    struct call *previous;
    const struct tj_ask *ask;
    struct tj_arena *a;      /* the reply's */
    struct tj_arena scratch; /* of one try */
    tj_reply_fn done;
    void *ctx;
    struct tj_ticket ticket;
    struct tj_http_call *http; /* while in flight */
    struct tj_timer *sleep;    /* until the next try, or until done */
    struct tj_timer *deadline;
    struct tj_reply reply; /* the last one */
    uint64_t start_ns;
    uint32_t retries;
    uint32_t attempts;
    unsigned sent_without; /* m->dropped when it was sent */
    size_t sent_without_params;
};

/* -- endings -------------------------------------------------------------- */

static void stop_all(struct call *c, enum tj_outcome outcome)
{
    tj_http_abandon(c->http);
    c->http = NULL;
    if (c->sleep)
        tj_timer_cancel(c->sleep);
    if (c->deadline)
        tj_timer_cancel(c->deadline);
    c->sleep = NULL;
    c->deadline = NULL;
    if (c->ticket.state != TJ_TICKET_OUT)
        tj_limiter_leave(c->m->limiter, &c->ticket, outcome, 0);
}

static void deliver(struct call *c)
{
    struct tj_reply reply = c->reply;
    tj_reply_fn done = c->done;
    void *ctx = c->ctx;
    reply.attempts = c->attempts;
    reply.duration_ns = tj_mono_ns() - c->start_ns;
    if (reply.usage.cost_usd < 0)
        reply.usage.cost_usd = tj_prices_cost(&c->m->model, &reply.usage);
    if (c->previous)
        c->previous->next = c->next;
    else
        c->m->calls = c->next;
    if (c->next)
        c->next->previous = c->previous;
    tj_arena_release(&c->scratch);
    tj_heap_free(c);
    done(ctx, &reply);
}

static void on_settled(void *ctx)
{
    struct call *c = ctx;
    c->sleep = NULL;
    deliver(c);
}

/* c->reply is the last word. */
static void settle(struct call *c)
{
    stop_all(c, TJ_OUTCOME_OTHER);
    c->sleep = tj_loop_after(c->m->model.loop, 0, on_settled, c);
}

static void settle_failed(struct call *c, enum tj_llm_error error,
                          const char *message)
{
    int status = c->reply.http_status;
    c->reply = tj_reply_failed(c->a, error, "%s", message);
    c->reply.http_status = status;
    settle(c);
}

static void on_deadline(void *ctx)
{
    struct call *c = ctx;
    c->deadline = NULL;
    settle_failed(c, TJ_LLM_TIMEOUT, "no answer before the deadline");
}

/* -- learning ------------------------------------------------------------- */

/* Something that the model refused is left out from now on.  False when it was
 * already left out of this very request. */
static bool drop_feature(struct call *c, enum tj_feature feature)
{
    unsigned bit = 1U << feature;
    c->m->dropped |= bit;
    return !(c->sent_without & bit);
}

static bool drop_param(struct call *c, tj_str name)
{
    struct http_model *m = c->m;
    for (size_t i = 0; i < m->no_param_count; i++)
        if (tj_str_eq(m->no_params[i], name))
            return i >= c->sent_without_params;
    if (m->no_param_count == TJ_DROPPED_PARAMS_MAX)
        return false;
    m->no_params[m->no_param_count++] = tj_str_dup(&m->arena, name);
    return true;
}

/* "reasoning_effort" is reasoning.effort in one dialect, effort in another. */
static bool is_meant(const struct tj_fault *fault, tj_str param)
{
    if (tj_fault_names(fault, param))
        return true;
    if (!tj_str_eq(param, TJ_STR("reasoning_effort")))
        return false;
    return tj_fault_names(fault, TJ_STR("reasoning.effort")) ||
           tj_fault_names(fault, TJ_STR("effort")) ||
           tj_str_find(fault->message, TJ_STR("effort parameter")) !=
               (size_t)-1;
}

static bool learn_param(struct call *c, const struct tj_fault *fault)
{
    struct tj_json_doc doc;
    struct tj_err ignored;
    if (!c->ask->params.len ||
        !tj_json_parse(c->ask->params, &c->scratch, &doc, &ignored))
        return false;
    struct tj_json_members it = tj_json_members(doc.root);
    while (tj_json_member(&it))
        if (is_meant(fault, it.key) && drop_param(c, it.key))
            return true;
    return false;
}

static bool learn(struct call *c, const struct tj_http_response *response)
{
    struct tj_fault fault;
    enum tj_feature feature;
    bool refused = response->ok &&
                   (response->status == 400 || response->status == 422) &&
                   c->reply.error == TJ_LLM_BAD_REQUEST;
    if (!refused || !tj_fault_find(response->body, &c->scratch, &fault))
        return false;
    return (tj_fault_feature(&fault, &feature) && drop_feature(c, feature)) ||
           learn_param(c, &fault);
}

/* -- trying ---------------------------------------------------------------- */

static void send_request(void *ctx);

static void try_again(void *ctx)
{
    struct call *c = ctx;
    c->sleep = NULL;
    tj_limiter_enter(c->m->limiter, &c->ticket, TJ_PLACE_FRONT, send_request,
                     c);
}

static bool is_too_late(const struct call *c, uint64_t delay_ms)
{
    uint64_t deadline = c->ask->deadline_mono_ns;
    return deadline && tj_mono_ns() + delay_ms * TJ_NS_PER_MS >= deadline;
}

static void sleep_or_give_up(struct call *c, uint64_t told_ms)
{
    uint64_t delay =
        told_ms ? told_ms : tj_retry_backoff_ms(c->retries, tj_random_u64());
    if (is_too_late(c, delay)) {
        tj_str last =
            tj_str_printf(c->a, "%.*s, and no time is left to try again",
                          TJ_STR_ARG(c->reply.error_message));
        settle_failed(c, TJ_LLM_TIMEOUT, tj_cstr(c->a, last));
        return;
    }
    c->retries++;
    c->sleep = tj_loop_after(c->m->model.loop, delay, try_again, c);
}

static enum tj_outcome outcome_of(const struct tj_http_response *response,
                                  const struct tj_reply *reply)
{
    if (reply->error == TJ_LLM_RATE_LIMITED)
        return TJ_OUTCOME_THROTTLED;
    bool good = response->ok && reply->error == TJ_LLM_NONE;
    return good ? TJ_OUTCOME_GOOD : TJ_OUTCOME_OTHER;
}

static enum tj_llm_error class_of(const struct tj_err *err)
{
    switch (err->code) {
    case TJ_E_BUSY: return TJ_LLM_TIMEOUT;
    case TJ_E_LIMIT: return TJ_LLM_BAD_OUTPUT;
    case TJ_E_INPUT: return TJ_LLM_BAD_REQUEST;
    case TJ_E_CANCELLED: return TJ_LLM_CANCELLED;
    case TJ_E_NONE:
    case TJ_E_IO:
    case TJ_E_AUTH:
    case TJ_E_BACKEND:
    case TJ_E_UNCERTAIN:
    case TJ_E_NETWORK: break;
    }
    return TJ_LLM_NETWORK;
}

static struct tj_wire wire_of(const struct http_model *m)
{
    return (struct tj_wire){
        .model = m->endpoint.model,
        .quirks = m->endpoint.quirks,
        .dropped = m->dropped,
        .no_params = m->no_params,
        .no_param_count = m->no_param_count,
    };
}

static void on_response(void *ctx, const struct tj_http_response *response)
{
    struct call *c = ctx;
    struct tj_wire wire = wire_of(c->m);
    uint64_t told_ms = 0;
    c->http = NULL;
    if (response->ok) {
        tj_str body = tj_str_dup(c->a, response->body);
        tj_wire_reply(c->m->endpoint.dialect, &wire, response->status, body,
                      c->a, &c->reply);
        told_ms = tj_retry_told_ms(response, tj_now());
    } else {
        c->reply = tj_reply_failed(c->a, class_of(&response->err), "%s",
                                   response->err.message);
    }
    tj_limiter_leave(c->m->limiter, &c->ticket, outcome_of(response, &c->reply),
                     told_ms);
    bool failed = c->reply.error != TJ_LLM_NONE;
    if (failed && learn(c, response))
        try_again(c);
    else if (failed && c->retries < c->m->retries_max &&
             tj_retry_wanted(response, c->reply.error))
        sleep_or_give_up(c, told_ms);
    else
        settle(c);
}

static void send_request(void *ctx)
{
    struct call *c = ctx;
    const struct tj_endpoint *e = &c->m->endpoint;
    struct tj_wire wire = wire_of(c->m);
    struct tj_buf body;
    struct tj_err err;
    tj_arena_reset(&c->scratch);
    c->sent_without = c->m->dropped;
    c->sent_without_params = c->m->no_param_count;
    tj_buf_init(&body, &c->scratch, TJ_MODEL_REQUEST_BYTES_MAX);
    if (!e->dialect->request(&wire, c->ask, &body, &err)) {
        settle_failed(c, TJ_LLM_BAD_REQUEST, err.message);
        return;
    }
    struct tj_http_request request = {
        .url = e->url,
        .headers = e->headers,
        .header_count = e->header_count,
        .body = tj_buf_str(&body),
        .timeout_ms = TJ_MODEL_TIMEOUT_MS,
        .body_bytes_max = TJ_MODEL_REPLY_BYTES_MAX,
    };
    c->attempts++;
    c->http = tj_http_send(c->m->client, &request, &c->scratch, on_response, c);
}

/* -- the member of the family ---------------------------------------------- */

static void http_ask(struct tj_model *model, const struct tj_ask *ask,
                     struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct http_model *m = (struct http_model *)model;
    struct call *c = tj_heap_new(sizeof *c);
    *c = (struct call){.m = m,
                       .next = m->calls,
                       .ask = ask,
                       .a = a,
                       .done = done,
                       .ctx = ctx,
                       .start_ns = tj_mono_ns()};
    if (c->next)
        c->next->previous = c;
    m->calls = c;
    uint64_t deadline = ask->deadline_mono_ns;
    if (deadline && deadline <= c->start_ns) {
        on_deadline(c);
        return;
    }
    if (deadline)
        c->deadline = tj_loop_after(model->loop,
                                    (deadline - c->start_ns) / TJ_NS_PER_MS + 1,
                                    on_deadline, c);
    tj_limiter_enter(m->limiter, &c->ticket, TJ_PLACE_BACK, send_request, c);
}

static void http_cancel(struct tj_model *model)
{
    struct http_model *m = (struct http_model *)model;
    for (struct call *c = m->calls; c; c = c->next)
        settle_failed(c, TJ_LLM_CANCELLED, "cancelled");
}

static void http_close(struct tj_model *model)
{
    struct http_model *m = (struct http_model *)model;
    http_cancel(model);
    while (m->calls) {
        struct call *c = m->calls;
        tj_timer_cancel(c->sleep);
        deliver(c);
    }
    tj_arena_release(&m->arena);
    tj_heap_free(m);
}

static const struct tj_model_ops http_ops = {
    .name = "http",
    .ask = http_ask,
    .cancel = http_cancel,
    .close = http_close,
};

static tj_str option_or_env(const struct tj_model_options *options, tj_str text,
                            const char *name)
{
    if (text.len || !options->env)
        return text;
    return tj_str_c(options->env(name));
}

/* The slices of the endpoint point into options and environment: copied. */
static void keep_endpoint(struct http_model *m, const struct tj_endpoint *e)
{
    m->endpoint = *e;
    m->endpoint.url = tj_str_dup(&m->arena, e->url);
    m->endpoint.key = tj_str_dup(&m->arena, e->key);
    m->endpoint.model = tj_str_dup(&m->arena, e->model);
    for (size_t i = 0; i < e->header_count; i++) {
        struct tj_header *h = &m->endpoint.headers[i];
        h->name = tj_str_dup(&m->arena, h->name);
        h->value = tj_str_dup(&m->arena, h->value);
    }
}

static bool set_up(struct http_model *m, const struct tj_model_uri *uri,
                   const struct tj_model_options *options, struct tj_err *err)
{
    struct tj_endpoint e;
    tj_str prices =
        option_or_env(options, options->prices, "TRACEJUDGE_PRICES");
    if (!tj_endpoint_find(uri, options, &m->arena, &e, err))
        return false;
    keep_endpoint(m, &e);
    m->model.uri =
        tj_str_printf(&m->arena, "%.*s:/%.*s", TJ_STR_ARG(uri->provider),
                      TJ_STR_ARG(uri->name));
    if (!tj_prices_find(uri->provider, uri->name, prices, &m->model, err) ||
        !tj_http_client_shared(m->model.loop, &m->client, err))
        return false;
    tj_str ca = option_or_env(options, (tj_str){0}, "SSL_CERT_FILE");
    if (ca.len)
        tj_http_client_trust(m->client, ca);
    /* The name is a digest: a key has no business in a list of names. */
    tj_str who = tj_str_printf(&m->arena, "limiter %.*s %.*s",
                               TJ_STR_ARG(e.url), TJ_STR_ARG(e.key));
    m->limiter = tj_limiter_find(m->model.loop, tj_sha256_hex(&m->arena, who),
                                 options->in_flight_max);
    m->retries_max =
        options->retries_max ? options->retries_max : TJ_MODEL_RETRIES;
    return true;
}

bool tj_model_http_open(const struct tj_model_uri *uri,
                        const struct tj_model_options *options,
                        struct tj_loop *loop, struct tj_model **out,
                        struct tj_err *err)
{
    struct http_model *m = tj_heap_new(sizeof *m);
    m->model.ops = &http_ops;
    m->model.loop = loop;
    if (!set_up(m, uri, options, err)) {
        tj_arena_release(&m->arena);
        tj_heap_free(m);
        return false;
    }
    *out = &m->model;
    return true;
}
