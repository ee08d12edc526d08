/* store_held.h - open traces whose spans a backend holds whole, in memory.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For backends that need not read anything: trace->impl is the folded trace's
 * origins (store_fold.h), and each is the address of the span with its fields
 * and texts.  The two functions are slots of struct tj_store_ops.
 * Threads: as an open trace.
 */
#ifndef TJ_STORE_STORE_HELD_H
#define TJ_STORE_STORE_HELD_H

#include "store/store_ops.h"

bool tj_held_load_fields(struct tj_store *st, struct tj_trace *trace,
                         size_t span, struct tj_err *err);
bool tj_held_read_field(struct tj_store *st, struct tj_trace *trace,
                        const struct tj_field_range *range, tj_str *out,
                        struct tj_err *err);

#endif
