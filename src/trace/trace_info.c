/* trace_info.c - what the spans say about their trace as a whole.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/limits.h"
#include "text/plain.h"
#include "text/utf8.h"
#include "trace/messages.h"
#include "trace/trace.h"

/* At most TJ_PREVIEW_CHARS_MAX, with "..." where it was cut. */
static tj_str clip_preview(struct tj_arena *a, tj_str text)
{
    if (tj_utf8_clip_chars(text, TJ_PREVIEW_CHARS_MAX).len == text.len)
        return tj_str_dup(a, text);
    tj_str head = tj_utf8_clip_chars(text, TJ_PREVIEW_CHARS_MAX - 3);
    struct tj_buf b;
    tj_buf_init(&b, a, TJ_PREVIEW_BYTES_MAX);
    tj_buf_add(&b, head);
    tj_buf_add(&b, TJ_STR("..."));
    return tj_buf_str(&b);
}

/* The last text that this role said; empty when there is none. */
static tj_str last_words(const struct tj_json *v, tj_str role,
                         struct tj_arena *scratch)
{
    tj_parts parts = {0};
    tj_str words = {0};
    if (!tj_messages_read(v, role, scratch, &parts))
        return words;
    tj_vec_each (&parts, struct tj_part, part) {
        if (part->kind == TJ_PART_TEXT && tj_str_eq(part->role, role) &&
            part->text.len)
            words = part->text;
    }
    return words;
}

static tj_str preview_of(const struct tj_span *span, tj_str field, tj_str role,
                         struct tj_arena *a)
{
    int32_t at = tj_span_find_field(span, field);
    if (at < 0 || !span->fields[at].text.ptr)
        return (tj_str){0};
    const struct tj_field *f = &span->fields[at];
    struct tj_arena scratch = {0};
    struct tj_json_doc doc;
    struct tj_err err;
    tj_str words = {0};
    if (f->type == TJ_FIELD_JSON &&
        tj_plain_parse(f->text, &scratch, &doc, &err))
        words = last_words(doc.root, role, &scratch);
    tj_str preview = clip_preview(a, words.len ? words : f->text);
    tj_arena_release(&scratch);
    return preview;
}

static void derive_previews(struct tj_trace_info *info,
                            const struct tj_span *root, struct tj_arena *a)
{
    if (!info->request_preview.len)
        info->request_preview =
            preview_of(root, TJ_STR("input"), TJ_STR("user"), a);
    if (!info->response_preview.len)
        info->response_preview =
            preview_of(root, TJ_STR("output"), TJ_STR("assistant"), a);
}

/* The first in tree order that has one. */
static tj_str first_session(const struct tj_span *spans,
                            const struct tj_tree *tree)
{
    for (size_t k = 0; k < tree->count; k++) {
        if (spans[tree->order[k]].session.len)
            return spans[tree->order[k]].session;
    }
    return (tj_str){0};
}

static tj_str first_user(const struct tj_span *spans,
                         const struct tj_tree *tree)
{
    for (size_t k = 0; k < tree->count; k++) {
        if (spans[tree->order[k]].user.len)
            return spans[tree->order[k]].user;
    }
    return (tj_str){0};
}

static void derive_times(struct tj_trace_info *info,
                         const struct tj_span *spans, size_t count)
{
    tj_time start = 0;
    tj_time end = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].marks & TJ_MARK_TIME_GUESSED)
            continue;
        if (spans[i].start && (!start || spans[i].start < start))
            start = spans[i].start;
        if (spans[i].end > end)
            end = spans[i].end;
    }
    if (!info->request_time)
        info->request_time = start;
    if (!info->duration_ns && start && end > start)
        info->duration_ns = end - start;
}

/* The root speaks for the trace: while it runs, so does the trace.  One that
 * has not arrived yet (an orphan stands in for it) says nothing of the end. */
static enum tj_trace_state state_of(const struct tj_span *root)
{
    if (root->status == TJ_STATUS_ERROR)
        return TJ_STATE_ERROR;
    if (!root->end || (root->marks & TJ_MARK_ORPHAN))
        return TJ_STATE_IN_PROGRESS;
    return TJ_STATE_OK;
}

/* The first root that is one by its own word; else the first. */
int32_t tj_trace_root(const struct tj_span *spans, const struct tj_tree *tree)
{
    for (int32_t i = tree->first_root; i >= 0; i = tree->next_sibling[i]) {
        if (!(spans[i].marks & (TJ_MARK_ORPHAN | TJ_MARK_CYCLE)))
            return i;
    }
    return tree->first_root;
}

void tj_trace_info_derive(struct tj_trace_info *info,
                          const struct tj_span *spans,
                          const struct tj_tree *tree, struct tj_arena *a)
{
    info->span_count = tree->count;
    info->error_count = 0;
    info->text_bytes = 0;
    for (size_t i = 0; i < tree->count; i++) {
        info->error_count += spans[i].status == TJ_STATUS_ERROR;
        info->text_bytes += spans[i].text_bytes;
    }
    info->usage = tj_trace_usage(spans, tree);
    if (!tree->count)
        return;
    const struct tj_span *root = &spans[tj_trace_root(spans, tree)];
    if (!info->name.len)
        info->name = root->name;
    if (!info->session.len)
        info->session = first_session(spans, tree);
    if (!info->user.len)
        info->user = first_user(spans, tree);
    derive_times(info, spans, tree->count);
    /* A source that said "in progress" spoke before the root was done. */
    if (info->state == TJ_STATE_UNSPECIFIED ||
        info->state == TJ_STATE_IN_PROGRESS)
        info->state = state_of(root);
    derive_previews(info, root, a);
}
