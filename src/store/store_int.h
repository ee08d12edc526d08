/* store_int.h - checks that the files of the front share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Threads: any.
 */
#ifndef TJ_STORE_STORE_INT_H
#define TJ_STORE_STORE_INT_H

#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

/* Not all zeros. */
bool tj_store_check_id(tj_trace_id id, struct tj_err *err) TJ_MUST_USE;
/* Not empty and not too long; what names it in the message. */
bool tj_store_check_key(tj_str key, const char *what, struct tj_err *err)
    TJ_MUST_USE;

#endif
