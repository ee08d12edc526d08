/* model_fault.c - a wrapper that fails one chosen ask.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/heap.h"
#include "llm/model_later.h"

struct fault {
    struct tj_model model; /* first */
    struct tj_model *inner;
    struct tj_later later;
    uint32_t nth;
    uint32_t asks;
    enum tj_llm_error error;
};

static void fault_ask(struct tj_model *model, const struct tj_ask *ask,
                      struct tj_arena *a, tj_reply_fn done, void *ctx)
{
    struct fault *f = (struct fault *)model;
    f->asks++;
    if (f->asks != f->nth) {
        tj_model_ask(f->inner, ask, a, done, ctx);
        return;
    }
    struct tj_reply reply = tj_reply_failed(a, f->error, "injected failure");
    tj_later_put(&f->later, &reply, done, ctx);
}

static void fault_cancel(struct tj_model *model)
{
    struct fault *f = (struct fault *)model;
    tj_later_cancel(&f->later);
    tj_model_cancel(f->inner);
}

static void fault_close(struct tj_model *model)
{
    struct fault *f = (struct fault *)model;
    tj_later_close(&f->later);
    tj_model_close(f->inner);
    tj_heap_free(f);
}

static const struct tj_model_ops fault_ops = {
    .name = "fault",
    .ask = fault_ask,
    .cancel = fault_cancel,
    .close = fault_close,
};

struct tj_model *tj_model_fault_open(struct tj_model *inner, uint32_t nth,
                                     enum tj_llm_error error)
{
    struct fault *f = tj_heap_new(sizeof *f);
    f->model = *inner; /* uri and prices; they belong to inner */
    f->model.ops = &fault_ops;
    f->inner = inner;
    f->later.loop = inner->loop;
    f->nth = nth;
    f->error = error;
    return &f->model;
}
