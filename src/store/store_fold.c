/* store_fold.c - folding what arrives into what is there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_fold.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/map.h"
#include "base/sha256.h"

/* Marks that belong to the trace as it is now, not to the span. */
enum { TREE_MARKS = TJ_MARK_ORPHAN | TJ_MARK_CYCLE };

void tj_fold_init(struct tj_fold *f, size_t cap, struct tj_arena *a)
{
    *f = (struct tj_fold){
        .arena = a,
        .spans = tj_arena_alloc(a, cap * sizeof *f->spans),
        .origins = tj_arena_alloc(a, cap * sizeof *f->origins),
        .digests = tj_arena_alloc(a, cap * sizeof *f->digests),
    };
}

struct tj_span *tj_fold_add(struct tj_fold *f, uint64_t origin, uint64_t digest)
{
    f->origins[f->count] = origin;
    f->digests[f->count] = digest;
    return &f->spans[f->count++];
}

/* -- digest --------------------------------------------------------------- */

/* Eight bytes a step and no secret: it tells a repeat from a change, at
 * memory speed, and guards nothing. */
static uint64_t digest_of(tj_str text, uint64_t h)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    size_t i = 0;
    h ^= text.len * factor;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + i, sizeof word);
        h = (h ^ word) * factor;
        h ^= h >> 29;
    }
    uint64_t last = 0;
    if (i < text.len)
        memcpy(&last, text.ptr + i, text.len - i);
    h = (h ^ last) * factor;
    return h ^ h >> 32;
}

static uint64_t mix_ids(const struct tj_span *s, uint64_t seed)
{
    struct {
        tj_span_id parent;
        tj_time start;
        tj_time end;
        uint32_t kind_status;
        uint32_t marks;
    } head = {
        .parent = s->parent_id,
        .start = s->start,
        .end = s->end,
        .kind_status =
            (uint32_t)s->kind << 16 | (uint32_t)s->status << 8 | s->otel_kind,
        .marks = s->marks & ~(uint32_t)(TREE_MARKS | TJ_MARK_DUPLICATE),
    };
    return digest_of((tj_str){(const char *)&head, sizeof head}, seed);
}

uint64_t tj_fold_digest(const struct tj_span *span)
{
    uint64_t h = mix_ids(span, span->field_count);
    h = digest_of(span->name, h);
    h = digest_of(span->status_message, h);
    for (size_t i = 0; i < span->event_count; i++)
        h = digest_of(span->events[i].name, h ^ span->events[i].time);
    for (size_t i = 0; i < span->link_count; i++)
        h = digest_of(
            (tj_str){(const char *)&span->links[i], sizeof span->links[i]}, h);
    for (size_t i = 0; i < span->field_count; i++) {
        const struct tj_field *f = &span->fields[i];
        h = digest_of(f->name, h ^ f->type);
        if (f->same_as == TJ_FIELD_NOT_SHARED)
            h = digest_of(f->text, h);
    }
    return h;
}

/* -- spans ---------------------------------------------------------------- */

/* The span at `from` comes again as the one at `at`. */
static void replace(struct tj_fold *f, size_t at, size_t from)
{
    const struct tj_span *older = &f->spans[at];
    uint32_t marks = older->marks & TJ_MARK_DUPLICATE;
    if (f->digests[at] != f->digests[from] && older->end != 0)
        marks |= TJ_MARK_DUPLICATE;
    f->spans[at] = f->spans[from];
    f->spans[at].marks |= marks;
    f->origins[at] = f->origins[from];
    f->digests[at] = f->digests[from];
}

static void make_distinct(struct tj_fold *f)
{
    struct tj_arena scratch = {0};
    struct tj_map places;
    tj_map_init(&places, &scratch);
    /* Keys must outlive the moves below, so they are copied. */
    tj_span_id *ids = tj_arena_array(&scratch, tj_span_id, f->count);
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        ids[i] = f->spans[i].span_id;
        bool fresh;
        struct tj_map_entry *e = tj_map_add(
            &places, (tj_str){(const char *)ids[i].bytes, sizeof ids[i]},
            &fresh);
        if (!fresh) {
            replace(f, (size_t)e->number, i);
            continue;
        }
        e->number = kept;
        if (kept != i) {
            f->spans[kept] = f->spans[i];
            f->origins[kept] = f->origins[i];
            f->digests[kept] = f->digests[i];
        }
        kept++;
    }
    f->count = kept;
    f->distinct = true;
    tj_arena_release(&scratch);
}

/* Makes spans[i] the one of rank i.  A span is 600 bytes, so traces that are
 * stored in tree order already (all that arrived at once) are left alone. */
static void move_to_tree_order(struct tj_fold *f, const int32_t *order)
{
    size_t at = 0;
    while (at < f->count && (size_t)order[at] == at)
        at++;
    if (at == f->count)
        return;
    struct tj_fold moved;
    tj_fold_init(&moved, f->count, f->arena);
    moved.distinct = true;
    for (size_t i = 0; i < f->count; i++) {
        size_t from = (size_t)order[i];
        *tj_fold_add(&moved, f->origins[from], f->digests[from]) =
            f->spans[from];
    }
    *f = moved;
}

static int32_t renamed(const int32_t *rank, int32_t span)
{
    return span < 0 ? span : rank[span];
}

/* The tree was built over spans as they arrived; after the move a span is
 * known by its rank. */
static void rename_tree(struct tj_tree *t, struct tj_arena *a)
{
    struct tj_tree old = *t;
    size_t n = t->count;
    t->parent = tj_arena_alloc(a, n * sizeof(int32_t));
    t->first_child = tj_arena_alloc(a, n * sizeof(int32_t));
    t->next_sibling = tj_arena_alloc(a, n * sizeof(int32_t));
    t->child_count = tj_arena_alloc(a, n * sizeof(int32_t));
    t->depth = tj_arena_alloc(a, n * sizeof(int32_t));
    for (size_t i = 0; i < n; i++) {
        int32_t from = old.order[i];
        t->parent[i] = renamed(old.rank, old.parent[from]);
        t->first_child[i] = renamed(old.rank, old.first_child[from]);
        t->next_sibling[i] = renamed(old.rank, old.next_sibling[from]);
        t->child_count[i] = old.child_count[from];
        t->depth[i] = old.depth[from];
    }
    t->first_root = renamed(old.rank, old.first_root);
    for (size_t i = 0; i < n; i++)
        t->order[i] = t->rank[i] = (int32_t)i;
}

static void find_times(struct tj_trace *t)
{
    t->start = t->end = 0;
    for (size_t i = 0; i < t->span_count; i++) {
        const struct tj_span *s = &t->spans[i];
        if (s->marks & TJ_MARK_TIME_GUESSED)
            continue;
        if (s->start && (t->start == 0 || s->start < t->start))
            t->start = s->start;
        if (s->end > t->end)
            t->end = s->end;
    }
}

static int32_t *links(const struct tj_fold *f)
{
    return tj_arena_alloc(f->arena, f->count * sizeof(int32_t));
}

static bool is_child_of(const struct tj_fold *f, size_t i, int32_t parent)
{
    return tj_span_id_eq(f->spans[i].parent_id, f->spans[parent].span_id);
}

/* Links span i, the next of the walk; false: this is no walk in tree order.
 * In one the parent is the span before or an ancestor of it. */
static bool link_next(const struct tj_fold *f, struct tj_tree *t,
                      int32_t *last_child, int32_t *last_root, size_t i)
{
    int32_t at = (int32_t)i;
    int32_t p = -1;
    if (!tj_span_id_is_none(f->spans[i].parent_id)) {
        p = at - 1;
        while (p >= 0 && !is_child_of(f, i, p))
            p = t->parent[p];
        if (p < 0)
            return false;
    }
    int32_t *last = p < 0 ? last_root : &last_child[p];
    if (*last >= 0 && f->spans[*last].start > f->spans[i].start)
        return false;
    if (*last >= 0)
        t->next_sibling[*last] = at;
    else if (p >= 0)
        t->first_child[p] = at;
    *last = at;
    if (p >= 0)
        t->child_count[p]++;
    t->root_count += p < 0;
    t->parent[i] = p;
    t->depth[i] = p < 0 ? 0 : t->depth[p] + 1;
    t->order[i] = t->rank[i] = at;
    t->first_child[i] = t->next_sibling[i] = last_child[i] = -1;
    t->child_count[i] = 0;
    return true;
}

/* Spans that were stored at once come in tree order, and then their tree is
 * known without the sorting and hashing of tj_tree_build, which takes half of
 * the time of opening 33,000 spans. */
static bool tree_in_order(const struct tj_fold *f, struct tj_tree *out)
{
    struct tj_tree t = {
        .count = f->count,
        .parent = links(f),
        .first_child = links(f),
        .next_sibling = links(f),
        .child_count = links(f),
        .depth = links(f),
        .order = links(f),
        .rank = links(f),
        .first_root = f->count ? 0 : -1,
    };
    int32_t *last_child = links(f);
    int32_t last_root = -1;
    for (size_t i = 0; i < f->count; i++) {
        if (!link_next(f, &t, last_child, &last_root, i))
            return false;
    }
    *out = t;
    return true;
}

void tj_fold_trace(struct tj_fold *f, struct tj_trace *out)
{
    struct tj_arena *a = f->arena;
    if (!f->distinct)
        make_distinct(f);
    for (size_t i = 0; i < f->count; i++) {
        f->spans[i].marks &= ~(uint32_t)TREE_MARKS;
        f->spans[i].sequence = i;
    }
    if (!tree_in_order(f, &out->tree)) {
        tj_tree_build(f->spans, f->count, a, &out->tree);
        struct tj_span *as_arrived = f->spans;
        move_to_tree_order(f, out->tree.order);
        if (f->spans != as_arrived)
            rename_tree(&out->tree, a);
    }
    out->spans = f->spans;
    out->span_count = f->count;
    find_times(out);
}

/* -- infos ---------------------------------------------------------------- */

static void say(tj_str *there, tj_str said)
{
    if (said.len)
        *there = said;
}

/* That a trace is in progress is news only at its beginning: sources send what
 * they say at the start and at the end, and these may overtake each other. */
static bool says_state(const struct tj_trace_info *there,
                       const struct tj_trace_info *said)
{
    if (said->state == TJ_STATE_IN_PROGRESS)
        return there->state == TJ_STATE_UNSPECIFIED;
    return said->state != TJ_STATE_UNSPECIFIED;
}

void tj_fold_said(struct tj_trace_info *there, const struct tj_trace_info *said,
                  struct tj_arena *a)
{
    there->trace_id = said->trace_id;
    say(&there->client_request_id, said->client_request_id);
    say(&there->source_id, said->source_id);
    if (said->experiment.len || said->experiment_id) {
        there->experiment = said->experiment;
        there->experiment_id = said->experiment_id;
    }
    say(&there->name, said->name);
    say(&there->session, said->session);
    say(&there->user, said->user);
    say(&there->request_preview, said->request_preview);
    say(&there->response_preview, said->response_preview);
    if (said->request_time)
        there->request_time = said->request_time;
    if (said->duration_ns)
        there->duration_ns = said->duration_ns;
    if (says_state(there, said))
        there->state = said->state;
    tj_vec_each (&said->metadata, const struct tj_pair, p)
        tj_pairs_set(&there->metadata, a, p->key, p->value);
    tj_vec_each (&said->tags, const struct tj_pair, p)
        tj_pairs_set(&there->tags, a, p->key, p->value);
}

struct tj_trace_info tj_fold_stay(const struct tj_trace_info *said, bool known)
{
    struct tj_trace_info stay = *said;
    if (known && said->experiment_if_new) {
        stay.experiment = (tj_str){0};
        stay.experiment_id = 0;
    }
    return stay;
}

static tj_pairs copy_pairs(const tj_pairs *pairs, struct tj_arena *a)
{
    tj_pairs copy = {.count = pairs->count, .cap = pairs->count};
    copy.items = tj_arena_array(a, struct tj_pair, pairs->count);
    for (size_t i = 0; i < pairs->count; i++) {
        copy.items[i].key = tj_str_dup(a, pairs->items[i].key);
        copy.items[i].value = tj_str_dup(a, pairs->items[i].value);
    }
    return copy;
}

struct tj_trace_info tj_fold_info_copy(const struct tj_trace_info *info,
                                       struct tj_arena *a)
{
    struct tj_trace_info c = *info;
    tj_str *texts[] = {&c.client_request_id, &c.source_id,
                       &c.experiment,        &c.name,
                       &c.session,           &c.user,
                       &c.request_preview,   &c.response_preview};
    for (size_t i = 0; i < TJ_COUNT(texts); i++)
        *texts[i] = tj_str_dup(a, *texts[i]);
    c.metadata = copy_pairs(&info->metadata, a);
    c.tags = copy_pairs(&info->tags, a);
    c.links = copy_pairs(&info->links, a);
    return c;
}

bool tj_fold_is_judge_trace(const struct tj_trace_info *info)
{
    return tj_pairs_find(&info->tags, TJ_STR(TJ_TAG_SOURCE_SCORER)).ptr;
}

/* -- assessments ---------------------------------------------------------- */

static int by_age(const void *left, const void *right)
{
    const struct tj_assessment *a = left;
    const struct tj_assessment *b = right;
    if (a->create_time != b->create_time)
        return a->create_time < b->create_time ? -1 : 1;
    return tj_str_cmp(a->id, b->id);
}

void tj_fold_assessments(struct tj_assessment *list, size_t count,
                         struct tj_arena *a)
{
    if (count == 0)
        return;
    qsort(list, count, sizeof *list, by_age);
    struct tj_map overridden;
    tj_map_init(&overridden, a);
    for (size_t i = 0; i < count; i++) {
        bool fresh;
        if (list[i].overrides.len)
            (void)tj_map_add(&overridden, list[i].overrides, &fresh);
    }
    for (size_t i = 0; i < count; i++) {
        if (tj_map_find(&overridden, list[i].id))
            list[i].valid = false;
    }
}

/* Length first, so that no two lists of parts give the same bytes. */
static void put_part(struct tj_buf *b, tj_str part)
{
    tj_buf_fmt(b, "%zu:", part.len);
    tj_buf_add(b, part);
}

static tj_str derived_id(const struct tj_assessment *as, struct tj_arena *a)
{
    struct tj_buf b;
    tj_buf_init(&b, a, SIZE_MAX);
    tj_buf_add(&b, tj_trace_id_text(a, as->trace_id));
    tj_buf_add(&b, tj_span_id_text(a, as->span_id));
    tj_buf_fmt(&b, "%d %d %llu ", (int)as->kind, (int)as->source_type,
               (unsigned long long)as->create_time);
    put_part(&b, as->name);
    put_part(&b, as->source_id);
    put_part(&b, as->value_json);
    put_part(&b, as->rationale);
    put_part(&b, as->error_code);
    put_part(&b, as->error_message);
    put_part(&b, as->overrides);
    tj_str digest = tj_sha256_hex(a, tj_buf_str(&b));
    return tj_str_printf(a, "a-%.*s", 32, digest.ptr);
}

struct tj_assessment tj_fold_full(const struct tj_assessment *as,
                                  struct tj_arena *a)
{
    struct tj_assessment full = *as;
    if (full.id.len == 0)
        full.id = derived_id(as, a);
    if (full.create_time == 0)
        full.create_time = tj_now();
    if (full.update_time == 0)
        full.update_time = full.create_time;
    return full;
}

bool tj_fold_no_experiment(uint64_t id, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT, "no experiment %llu",
                   (unsigned long long)id);
}

bool tj_fold_name_taken(tj_str name, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT, "experiment \"%.*s\" exists already",
                   TJ_STR_ARG(name));
}

bool tj_fold_key_taken(tj_str key, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT, "another assessment has the key \"%.*s\"",
                   TJ_STR_ARG(key));
}

bool tj_fold_no_trace(tj_trace_id id, struct tj_err *err)
{
    char digits[TJ_TRACE_ID_DIGITS];
    tj_hex_write(id.bytes, sizeof id.bytes, digits);
    return tj_fail(err, TJ_E_INPUT, "no trace tr-%.*s", TJ_TRACE_ID_DIGITS,
                   digits);
}
