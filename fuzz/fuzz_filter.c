/* fuzz_filter.c - any bytes as a filter and as an order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "base/limits.h"
#include "store/filter_eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct tj_filter *f, size_t depth)
{
    if (depth > TJ_FILTER_CLAUSES_MAX + TJ_FILTER_DEPTH_MAX)
        abort();
    if (f->kind == TJ_FILTER_CLAUSE) {
        bool list = f->op == TJ_OP_IN || f->op == TJ_OP_NOT_IN;
        bool null = f->op == TJ_OP_IS_NULL || f->op == TJ_OP_IS_NOT_NULL;
        if (list ? !f->value_count : f->value_count != !null)
            abort();
        return 1;
    }
    if (f->kind == TJ_FILTER_NOT)
        return count(f->left, depth + 1);
    return count(f->left, depth + 1) + count(f->right, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tj_arena a = {0};
    struct tj_err err = {0};
    const struct tj_filter *f = NULL;
    struct tj_order order;
    tj_str text = tj_str_make((const char *)data, size);
    if (tj_filter_parse(text, &a, &f, &err)) {
        if (f && count(f, 0) > TJ_FILTER_CLAUSES_MAX)
            abort();
        struct tj_filter_eval *e = tj_filter_eval_new(f, &err);
        if (!e && err.code != TJ_E_INPUT && err.code != TJ_E_LIMIT)
            abort();
        tj_filter_eval_free(e);
    } else if (err.code != TJ_E_INPUT && err.code != TJ_E_LIMIT) {
        abort();
    }
    if (!tj_order_parse(text, &a, &order, &err) && err.code == TJ_E_NONE)
        abort();
    tj_arena_release(&a);
    return 0;
}
