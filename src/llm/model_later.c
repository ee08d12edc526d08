/* model_later.c - replies that the loop delivers.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/model_later.h"

#include <stdarg.h>

#include "base/heap.h"
#include "net/loop.h"
#include "text/utf8.h"

struct tj_later_item {
    struct tj_later *later;
    struct tj_later_item *next;
    struct tj_later_item *previous;
    struct tj_timer *timer;
    struct tj_reply reply;
    tj_reply_fn done;
    void *ctx;
};

static void unlink_item(struct tj_later_item *item)
{
    if (item->previous)
        item->previous->next = item->next;
    else
        item->later->items = item->next;
    if (item->next)
        item->next->previous = item->previous;
}

static void deliver(void *ctx)
{
    struct tj_later_item *item = ctx;
    unlink_item(item);
    struct tj_later_item copy = *item;
    tj_heap_free(item);
    copy.done(copy.ctx, &copy.reply);
}

void tj_later_put(struct tj_later *later, const struct tj_reply *reply,
                  tj_reply_fn done, void *ctx)
{
    struct tj_later_item *item = tj_heap_new(sizeof *item);
    *item = (struct tj_later_item){
        .later = later,
        .next = later->items,
        .reply = *reply,
        .done = done,
        .ctx = ctx,
    };
    if (item->next)
        item->next->previous = item;
    later->items = item;
    item->timer = tj_loop_after(later->loop, 0, deliver, item);
}

static void make_cancelled(struct tj_later_item *item)
{
    item->reply = (struct tj_reply){
        .stop = TJ_STOP_ERROR,
        .message.role = TJ_ROLE_ASSISTANT,
        .usage = TJ_LLM_USAGE_UNKNOWN,
        .error = TJ_LLM_CANCELLED,
        .error_message = TJ_STR("cancelled"),
    };
}

void tj_later_cancel(struct tj_later *later)
{
    for (struct tj_later_item *it = later->items; it; it = it->next)
        make_cancelled(it);
}

void tj_later_close(struct tj_later *later)
{
    tj_later_cancel(later);
    while (later->items) {
        tj_timer_cancel(later->items->timer);
        deliver(later->items);
    }
}

struct tj_reply tj_reply_failed(struct tj_arena *a, enum tj_llm_error error,
                                const char *format, ...)
{
    struct tj_err err;
    va_list args;
    va_start(args, format);
    tj_str text = tj_str_vprintf(a, format, args);
    va_end(args);
    /* The way in which an error's message is made one printable line. */
    text = tj_utf8_clip(tj_utf8_repair(a, text), TJ_ERR_MESSAGE_MAX - 1);
    (void)tj_fail(&err, TJ_E_BACKEND, "%.*s", TJ_STR_ARG(text));
    return (struct tj_reply){
        .stop = TJ_STOP_ERROR,
        .message.role = TJ_ROLE_ASSISTANT,
        .usage = TJ_LLM_USAGE_UNKNOWN,
        .error = error,
        .error_message = tj_str_dup(a, tj_str_c(err.message)),
    };
}
