/* model.c - the front of the family of models.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/model.h"

#include "llm/model_int.h"
#include "net/loop.h"

bool tj_model_open(tj_str uri, const struct tj_model_options *options,
                   struct tj_loop *loop, struct tj_model **out,
                   struct tj_err *err)
{
    struct tj_model_uri u;
    if (!tj_model_uri_check(uri, err) || !tj_model_uri_parse(uri, &u, err))
        return false;
    if (tj_str_eq(u.provider, TJ_STR("replay")))
        return tj_model_replay_open(u.path, loop, out, err);
    if (tj_str_eq(u.provider, TJ_STR("builtin")))
        return tj_model_rules_open(options->rules, loop, out, err);
    return tj_model_http_open(&u, options, loop, out, err);
}

bool tj_model_uri_check(tj_str uri, struct tj_err *err)
{
    struct tj_model_uri u;
    if (!tj_model_uri_parse(uri, &u, err))
        return false;
    if (tj_str_eq(u.provider, TJ_STR("replay")))
        return true;
    if (!tj_str_eq(u.provider, TJ_STR("builtin")))
        return tj_provider_check(&u, err) ||
               tj_err_wrap(err, "model uri '%.*s'", TJ_STR_ARG(uri));
    if (!tj_str_eq(u.name, TJ_STR("rules")))
        return tj_fail(err, TJ_E_INPUT,
                       "model uri '%.*s': the only builtin model is "
                       "builtin:/rules",
                       TJ_STR_ARG(uri));
    return true;
}

void tj_model_ask(struct tj_model *model, const struct tj_ask *ask,
                  struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    model->ops->ask(model, ask, a, done, ctx);
}

void tj_model_cancel(struct tj_model *model)
{
    if (model->ops->cancel)
        model->ops->cancel(model);
}

void tj_model_close(struct tj_model *model)
{
    if (model)
        model->ops->close(model);
}

struct wait {
    struct tj_reply *out;
    bool done;
};

static void on_reply(void *ctx, const struct tj_reply *reply)
{
    struct wait *wait = ctx;
    *wait->out = *reply;
    wait->done = true;
}

void tj_model_ask_wait(struct tj_model *model, const struct tj_ask *ask,
                       struct tj_arena *a, struct tj_reply *out)
{
    struct wait wait = {.out = out};
    tj_model_ask(model, ask, a, on_reply, &wait);
    while (!wait.done) {
        tj_loop_run_until(model->loop, &wait.done);
        if (!wait.done) /* the loop was stopped: the ask ends, too */
            tj_model_cancel(model);
    }
}
