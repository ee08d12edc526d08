/* line_diff.c - the difference of two texts, line by line.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): forward
 * search, keeping the furthest reaching points of each round, then the walk
 * back.  Rounds are bounded, so time and memory are.
 */
#include "tools/line_diff.h"

enum {
    LINES_MAX = 20000,
    ROUNDS_MAX = 300,
};

struct lines {
    tj_str *items;
    int32_t count;
};

static bool split(tj_str text, struct tj_arena *a, struct lines *out)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    if (count > LINES_MAX)
        return false;
    out->items = tj_arena_array(a, tj_str, count);
    out->count = 0;
    /* An empty text is one empty line, wherever it points. */
    if (!text.ptr)
        text = TJ_STR("");
    while (text.ptr && out->count < (int32_t)count)
        out->items[out->count++] = tj_str_cut(&text, '\n');
    return true;
}

/* reach[d][k + d]: how far into a round d came on diagonal k = x - y. */
struct search {
    struct lines a;
    struct lines b;
    int32_t *reach[ROUNDS_MAX];
    struct tj_arena *arena;
};

/* Where round d starts on diagonal k, from the round before. */
static int32_t start_of(const struct search *s, int32_t d, int32_t k)
{
    if (d == 0)
        return 0;
    const int32_t *before = s->reach[d - 1] + (d - 1);
    bool down = k == -d || (k != d && before[k - 1] < before[k + 1]);
    return down ? before[k + 1] : before[k - 1] + 1;
}

static int32_t slide(const struct search *s, int32_t x, int32_t k)
{
    while (x < s->a.count && x - k < s->b.count && x - k >= 0 &&
           tj_str_eq(s->a.items[x], s->b.items[x - k]))
        x++;
    return x;
}

/* The number of differences, or -1 when there are too many. */
static int32_t find_rounds(struct search *s)
{
    for (int32_t d = 0; d < ROUNDS_MAX; d++) {
        int32_t *reach = tj_arena_array(s->arena, int32_t, (size_t)(2 * d + 1));
        s->reach[d] = reach;
        for (int32_t k = -d; k <= d; k += 2) {
            int32_t x = slide(s, start_of(s, d, k), k);
            reach[k + d] = x;
            if (x >= s->a.count && x - k >= s->b.count)
                return d;
        }
    }
    return -1;
}

/* One edit: a line of a went, or a line of b came. */
struct edit {
    int32_t a_line;
    int32_t b_line; /* or -1: a's line went */
};

static void walk_back(const struct search *s, int32_t rounds,
                      struct edit *edits)
{
    int32_t k = s->a.count - s->b.count;
    for (int32_t d = rounds; d > 0; d--) {
        const int32_t *before = s->reach[d - 1] + (d - 1);
        bool down = k == -d || (k != d && before[k - 1] < before[k + 1]);
        k = down ? k + 1 : k - 1;
        int32_t x = before[k];
        edits[d - 1] = down ? (struct edit){x, x - k} : (struct edit){x, -1};
    }
}

static void put_edits(const struct search *s, const struct edit *edits,
                      int32_t count, struct tj_buf *out)
{
    int32_t next = -1; /* the line of a that continues the hunk */
    for (int32_t i = 0; i < count; i++) {
        const struct edit *e = &edits[i];
        if (e->a_line != next)
            tj_buf_fmt(out, "@ line %d\n", (int)e->a_line + 1);
        bool came = e->b_line >= 0;
        tj_buf_byte(out, came ? '+' : '-');
        tj_buf_add(out, came ? s->b.items[e->b_line] : s->a.items[e->a_line]);
        tj_buf_byte(out, '\n');
        next = came ? e->a_line : e->a_line + 1;
    }
}

bool tj_line_diff_write(tj_str a, tj_str b, struct tj_buf *out)
{
    struct tj_arena scratch = {0};
    struct search s = {.arena = &scratch};
    bool done = split(a, &scratch, &s.a) && split(b, &scratch, &s.b);
    int32_t rounds = done ? find_rounds(&s) : -1;
    if (rounds > 0) {
        struct edit *edits =
            tj_arena_array(&scratch, struct edit, (size_t)rounds);
        walk_back(&s, rounds, edits);
        put_edits(&s, edits, rounds, out);
    }
    tj_arena_release(&scratch);
    return rounds >= 0;
}
