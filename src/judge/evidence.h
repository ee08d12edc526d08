/* evidence.h - is the quote in the field?
 * SPDX-License-Identifier: Apache-2.0
 *
 * A quote counts when its bytes stand in the text of the field it names, of
 * the span it names; nothing else is looked at, so a judge cannot prove
 * anything with words of its own.
 *  1. A span may be named by its 16 digits or a unique prefix of at least 8.
 *  2. A field may be named by its key alone ("gen_ai.request.model"), in
 *     MLflow's words ("inputs", "outputs"), or by a place inside it
 *     ("input.messages[0].content" is looked up in "input").  Both names are
 *     replaced by the full ones when the quote was found.
 *  3. Blanks around a quote are not part of it.  Shorter than
 *     TJ_QUOTE_BYTES_MIN it proves nothing, longer than TJ_QUOTE_BYTES_MAX it
 *     is a copy: neither counts.
 *  4. A field is read in pieces: an 80 MB field costs no 80 MB.
 * Threads: the open trace's.
 */
#ifndef TJ_JUDGE_EVIDENCE_H
#define TJ_JUDGE_EVIDENCE_H

#include "judge/verdict.h"

enum { TJ_QUOTE_BYTES_MIN = 3 };

/* Fills offset, len, verified and why_not of each.  False only when the store
 * failed.  trace NULL: nothing can be verified. */
bool tj_evidence_check(struct tj_trace *trace, struct tj_evidence *items,
                       size_t count, struct tj_arena *a, struct tj_err *err)
    TJ_MUST_USE;
size_t tj_evidence_verified(const struct tj_evidence *items, size_t count);

#endif
