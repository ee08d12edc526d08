/* json_read.c - the reader: bytes to a flat array of nodes.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One loop over the bytes.  While a container is open its `span` holds the
 * index of the container around it, so nesting needs no stack of its own;
 * closing puts the real span there.
 *
 * Nodes begin in a small array on the stack, which most attribute values never
 * leave, and move to an arena of their own when there are more: there the
 * array is alone in its block and grows without leaving copies behind.  At the
 * end that arena is handed to the caller's.
 *
 * Strings without escapes are slices of the input.  The others are decoded
 * into chunks of the caller's arena; a string that outgrows its chunk moves to
 * a larger one, and the unused tail of the last chunk is given back.
 */
#include <string.h>

#include "base/limits.h"
#include "text/json_int.h"
#include "text/utf8.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum {
    NODES_ON_STACK = 192,
    CHUNK_BYTES_MIN = 256,
    CHUNK_BYTES_MAX = 1 << 20,
    REPLACEMENT = 0xFFFD,
    UTF8_BYTES_MAX = 4,
};

struct reader {
    const char *begin;
    const char *end;
    enum tj_json_syntax syntax;
    struct tj_json *nodes;
    size_t count;
    size_t cap;
    size_t open; /* the innermost open container, when depth > 0 */
    size_t depth;
    bool repaired;
    struct tj_arena own;    /* the nodes, once they left the stack */
    struct tj_arena *arena; /* decoded strings */
    char *chunk;
    char *chunk_next;
    char *chunk_end;
    size_t chunk_bytes; /* of the next chunk */
    struct tj_err *err;
};

/* -- refusing ------------------------------------------------------------- */

static const char *refuse(struct reader *r, const char *p, const char *expected)
{
    size_t offset = (size_t)(p - r->begin);
    if (p >= r->end)
        (void)tj_fail(r->err, TJ_E_INPUT,
                      "offset %zu: expected %s, found the end", offset,
                      expected);
    else if (*p > 0x20 && *p < 0x7F)
        (void)tj_fail(r->err, TJ_E_INPUT, "offset %zu: expected %s, found '%c'",
                      offset, expected, *p);
    else
        (void)tj_fail(r->err, TJ_E_INPUT,
                      "offset %zu: expected %s, found byte 0x%02x", offset,
                      expected, (unsigned)(unsigned char)*p);
    return NULL;
}

/* -- nodes ---------------------------------------------------------------- */

/* Room for more, guessed from how many nodes the bytes so far have made; a
 * dense head before a long string must not ask for much that stays unused. */
static void grow_nodes(struct reader *r, const char *p)
{
    size_t done = (size_t)(p - r->begin) + 1;
    size_t left = (size_t)(r->end - p);
    double per_byte = (double)r->count / (double)done;
    size_t guess = r->count + (size_t)(per_byte * (double)left * 1.05) + 16;
    size_t cap = tj_size_max(guess, r->cap + r->cap / 2);
    cap = tj_size_min(cap, r->cap * 4);
    bool on_stack = r->own.blocks == NULL;
    struct tj_json *old = on_stack ? NULL : r->nodes;
    size_t old_cap = on_stack ? 0 : r->cap;
    struct tj_json *nodes = tj_arena_grow(&r->own, old, old_cap * sizeof *nodes,
                                          cap * sizeof *nodes);
    if (on_stack)
        memcpy(nodes, r->nodes, r->count * sizeof *nodes);
    r->nodes = nodes;
    r->cap = cap;
}

/* p is how far the input was read. */
static inline struct tj_json *add_node(struct reader *r, const char *p)
{
    if (TJ_UNLIKELY(r->count == r->cap))
        grow_nodes(r, p);
    return &r->nodes[r->count++];
}

static inline void add_text(struct reader *r, const char *p,
                            enum tj_json_type type, const char *text,
                            size_t len)
{
    struct tj_json *v = add_node(r, p);
    v->head = (uint64_t)len << TJ_JSON_TYPE_BITS | type;
    v->as.text = text;
}

static inline bool in_object(const struct reader *r)
{
    return tj_json_head_type(&r->nodes[r->open]) == TJ_JSON_OBJECT;
}

static const char *open_container(struct reader *r, const char *p,
                                  enum tj_json_type type)
{
    if (r->depth == TJ_JSON_DEPTH_MAX) {
        (void)tj_fail(r->err, TJ_E_LIMIT,
                      "offset %zu: nesting is over TJ_JSON_DEPTH_MAX (%d)",
                      (size_t)(p - r->begin), TJ_JSON_DEPTH_MAX);
        return NULL;
    }
    struct tj_json *v = add_node(r, p);
    v->head = type;
    v->as.span = r->open;
    r->open = r->count - 1;
    r->depth++;
    return p + 1;
}

static inline const char *close_container(struct reader *r, const char *p)
{
    struct tj_json *v = &r->nodes[r->open];
    size_t around = v->as.span;
    v->as.span = r->count - r->open;
    r->open = around;
    r->depth--;
    return p + 1;
}

/* -- strings that need decoding ------------------------------------------- */

/* Room for size more bytes behind the string that began at *start. */
static void chunk_room(struct reader *r, char **start, size_t size)
{
    size_t have = (size_t)(r->chunk_next - *start);
    size_t used = (size_t)(*start - r->chunk);
    size_t want = tj_size_max(r->chunk_bytes, (have + size) * 2);
    if (r->chunk)
        tj_arena_cut(r->arena, r->chunk, (size_t)(r->chunk_end - r->chunk),
                     used + have);
    char *chunk = tj_arena_alloc(r->arena, want);
    if (have)
        memcpy(chunk, *start, have);
    *start = chunk;
    r->chunk = chunk;
    r->chunk_next = chunk + have;
    r->chunk_end = chunk + want;
    r->chunk_bytes = tj_size_min(r->chunk_bytes * 2, CHUNK_BYTES_MAX);
}

static inline void put_run(struct reader *r, char **start, const char *p,
                           size_t size)
{
    if (size == 0)
        return;
    if (TJ_UNLIKELY((size_t)(r->chunk_end - r->chunk_next) < size))
        chunk_room(r, start, size);
    memcpy(r->chunk_next, p, size);
    r->chunk_next += size;
}

static void put_code(struct reader *r, char **start, uint32_t code)
{
    char bytes[UTF8_BYTES_MAX];
    size_t n = tj_utf8_encode(code, bytes);
    put_run(r, start, bytes, n);
}

/* Four hex digits at p, or UINT32_MAX. */
static uint32_t hex4(const struct reader *r, const char *p)
{
    if (r->end - p < 4)
        return UINT32_MAX;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        char low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value << 4 | (uint32_t)(low - 'a' + 10);
        else
            return UINT32_MAX;
    }
    return value;
}

/* \uXXXX at p (the backslash), with its other half when it is a pair. */
static const char *read_unicode(struct reader *r, const char *p, char **start)
{
    uint32_t code = hex4(r, p + 2);
    if (code == UINT32_MAX)
        return refuse(r, p + 2, "four hex digits");
    p += 6;
    if (code >= 0xD800 && code <= 0xDBFF && r->end - p >= 6 && p[0] == '\\' &&
        p[1] == 'u') {
        uint32_t low = hex4(r, p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            p += 6;
        }
    }
    if (code >= 0xD800 && code <= 0xDFFF) {
        r->repaired = true;
        code = REPLACEMENT;
    }
    put_code(r, start, code);
    return p;
}

/* One escape at p (the backslash). */
static const char *read_escape(struct reader *r, const char *p, char **start)
{
    char c = '\0';
    switch (r->end - p > 1 ? p[1] : '\0') {
    case '"': c = '"'; break;
    case '\\': c = '\\'; break;
    case '/': c = '/'; break;
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'u': return read_unicode(r, p, start);
    default: return refuse(r, p + 1, "one of \"\\/bfnrtu after '\\'");
    }
    put_run(r, start, &c, 1);
    return p + 2;
}

/* The first byte from p on that is not printable ASCII other than '"' and
 * '\\' (U+007F counts as printable here); end when there is none. */
static inline const char *skip_ordinary(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i escape = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed, so that bytes from 0x80 on are below 0x20 as well. */
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                                   _mm_cmpeq_epi8(bytes, escape));
        hit = _mm_or_si128(hit, _mm_cmplt_epi8(bytes, blank));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones << 7;
    for (; end - p >= 8; p += 8) {
        uint64_t bytes = 0;
        memcpy(&bytes, p, sizeof bytes);
        uint64_t quote = bytes ^ (ones * '"');
        uint64_t escape = bytes ^ (ones * '\\');
        /* Borrows reach only bytes behind a hit: the loop below looks. */
        uint64_t hit =
            (quote - ones) | (escape - ones) | (bytes - ones * 0x20) | bytes;
        if (hit & highs)
            break;
    }
#endif
    while (p < end && (signed char)*p >= 0x20 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Goes on with a string that began at text and needs decoding from p on. */
static const char *read_decoded(struct reader *r, const char *text,
                                const char *p)
{
    char *start = r->chunk_next;
    put_run(r, &start, text, (size_t)(p - text));
    while (p && p < r->end && *p != '"') {
        if (*p == '\\') {
            p = read_escape(r, p, &start);
            continue;
        }
        const char *run = p;
        if ((signed char)*p >= 0x20) {
            p = skip_ordinary(p, r->end);
        } else if ((signed char)*p >= 0) {
            return refuse(r, p, "no raw control character in a string");
        } else {
            tj_str rest = tj_str_make(p, (size_t)(r->end - p));
            p += tj_utf8_high_run(rest);
        }
        if (p > run) {
            put_run(r, &start, run, (size_t)(p - run));
            continue;
        }
        uint32_t code = 0;
        p += tj_utf8_next(tj_str_make(p, (size_t)(r->end - p)), &code);
        put_code(r, &start, REPLACEMENT);
        r->repaired = true;
    }
    if (!p || p == r->end)
        return p ? refuse(r, p, "'\"'") : NULL;
    add_text(r, p, TJ_JSON_STRING, start, (size_t)(r->chunk_next - start));
    return p + 1;
}

/* p is behind the opening quote. */
static const char *read_string(struct reader *r, const char *p)
{
    const char *text = p;
    for (;;) {
        p = skip_ordinary(p, r->end);
        if (p == r->end || (unsigned char)*p < 0x20)
            return read_decoded(r, text, p);
        if (*p == '"') {
            add_text(r, p, TJ_JSON_STRING, text, (size_t)(p - text));
            return p + 1;
        }
        size_t run = 0;
        if (*p != '\\')
            run = tj_utf8_high_run(tj_str_make(p, (size_t)(r->end - p)));
        if (run == 0)
            return read_decoded(r, text, p);
        p += run;
    }
}

/* The quote that ends a string with that many marks, or NULL.  Only a '#' can
 * tell: texts with marks are full of quotes. */
static const char *plain_end(const char *text, const char *end, size_t marks)
{
    const char *p = text;
    if (marks == 0)
        return memchr(p, '"', (size_t)(end - p));
    while (p < end && (p = memchr(p, '#', (size_t)(end - p)))) {
        const char *run = p;
        while (p < end && *p == '#' && (size_t)(p - run) < marks)
            p++;
        if ((size_t)(p - run) == marks && run > text && run[-1] == '"')
            return run - 1;
        while (p < end && *p == '#')
            p++;
    }
    return NULL;
}

/* "text" or #"text"#, with as many # as it took (plain.h); p is at the first
 * byte.  The text was found to be UTF-8 before. */
static const char *read_plain_string(struct reader *r, const char *p)
{
    const char *mark = p;
    while (p < r->end && *p == '#')
        p++;
    size_t marks = (size_t)(p - mark);
    if (p == r->end || *p != '"')
        return refuse(r, p, "'\"'");
    const char *text = p + 1;
    const char *quote = plain_end(text, r->end, marks);
    if (!quote)
        return refuse(r, r->end, marks ? "'\"' and its '#'" : "'\"'");
    add_text(r, quote, TJ_JSON_STRING, text, (size_t)(quote - text));
    return quote + 1 + marks;
}

/* -- the other values ----------------------------------------------------- */

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static bool is_at(const struct reader *r, const char *p, tj_str word)
{
    return (size_t)(r->end - p) >= word.len && !memcmp(p, word.ptr, word.len);
}

static const char *read_fraction(struct reader *r, const char *p)
{
    if (p < r->end && *p == '.') {
        const char *digits = p + 1;
        p = skip_digits(digits, r->end);
        if (p == digits)
            return refuse(r, p, "a digit");
    }
    if (p < r->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        const char *digits = p;
        p = skip_digits(digits, r->end);
        if (p == digits)
            return refuse(r, p, "a digit");
    }
    return p;
}

static const char *read_number(struct reader *r, const char *p)
{
    enum { DIGITS_SURELY_INT = 18 };
    const char *text = p;
    if (*p == '-')
        p++;
    const char *digits = p;
    p = skip_digits(p, r->end);
    if (p == digits) {
        tj_str infinity = TJ_STR("Infinity");
        if (!is_at(r, p, infinity))
            return refuse(r, p, "a digit");
        p += infinity.len;
        add_text(r, p, TJ_JSON_DOUBLE, text, (size_t)(p - text));
        return p;
    }
    if (*digits == '0' && p - digits > 1)
        return refuse(r, digits + 1, "no digit after a leading 0");
    const char *whole = p;
    p = read_fraction(r, p);
    if (!p)
        return NULL;
    enum tj_json_type type = TJ_JSON_INT;
    if (p != whole)
        type = TJ_JSON_DOUBLE;
    else if (p - digits > DIGITS_SURELY_INT)
        type = tj_json_number_type(tj_str_make(text, (size_t)(p - text)));
    add_text(r, p, type, text, (size_t)(p - text));
    return p;
}

static const char *read_word(struct reader *r, const char *p)
{
    static const struct {
        tj_str word;
        enum tj_json_type type;
    } words[] = {
        {TJ_STR_INIT("null"), TJ_JSON_NULL},
        {TJ_STR_INIT("true"), TJ_JSON_TRUE},
        {TJ_STR_INIT("false"), TJ_JSON_FALSE},
        {TJ_STR_INIT("NaN"), TJ_JSON_DOUBLE},
        {TJ_STR_INIT("Infinity"), TJ_JSON_DOUBLE},
    };
    for (size_t i = 0; i < TJ_COUNT(words); i++) {
        if (is_at(r, p, words[i].word)) {
            add_text(r, p, words[i].type, p, words[i].word.len);
            return p + words[i].word.len;
        }
    }
    return refuse(r, p, "a value");
}

static const char *read_text(struct reader *r, const char *p)
{
    if (r->syntax == TJ_SYNTAX_PLAIN)
        return read_plain_string(r, p);
    return read_string(r, p + 1);
}

/* Begins a string: '"', or '#' in plain text. */
static bool is_text(const struct reader *r, char c)
{
    return c == '"' || (c == '#' && r->syntax == TJ_SYNTAX_PLAIN);
}

static const char *read_value(struct reader *r, const char *p)
{
    if (p == r->end)
        return refuse(r, p, "a value");
    char c = *p;
    if (is_text(r, c))
        return read_text(r, p);
    if (c == '{')
        return open_container(r, p, TJ_JSON_OBJECT);
    if (c == '[')
        return open_container(r, p, TJ_JSON_ARRAY);
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(r, p);
    return read_word(r, p);
}

/* -- structure ------------------------------------------------------------ */

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* The next item of the open array, or its end. */
static const char *read_item(struct reader *r, const char *p)
{
    p = skip_blanks(p, r->end);
    struct tj_json *array = &r->nodes[r->open];
    if (p < r->end && *p == ']')
        return close_container(r, p);
    if (tj_json_head_len(array)) {
        if (p == r->end || *p != ',')
            return refuse(r, p, "',' or ']'");
        p = skip_blanks(p + 1, r->end);
    }
    array->head += 1 << TJ_JSON_TYPE_BITS;
    return read_value(r, p);
}

/* The next member of the open object, or its end. */
static const char *read_member(struct reader *r, const char *p)
{
    p = skip_blanks(p, r->end);
    struct tj_json *object = &r->nodes[r->open];
    if (p < r->end && *p == '}')
        return close_container(r, p);
    bool first = tj_json_head_len(object) == 0;
    if (!first) {
        if (p == r->end || *p != ',')
            return refuse(r, p, "',' or '}'");
        p = skip_blanks(p + 1, r->end);
    }
    if (p == r->end || !is_text(r, *p))
        return refuse(r, p, first ? "a key or '}'" : "a key");
    object->head += 1 << TJ_JSON_TYPE_BITS;
    p = read_text(r, p);
    if (!p)
        return NULL;
    p = skip_blanks(p, r->end);
    if (p == r->end || *p != ':')
        return refuse(r, p, "':'");
    return read_value(r, skip_blanks(p + 1, r->end));
}

static const char *read_tree(struct reader *r, const char *p)
{
    p = read_value(r, skip_blanks(p, r->end));
    while (p && r->depth)
        p = in_object(r) ? read_member(r, p) : read_item(r, p);
    return p;
}

/* Puts the nodes where they stay and fills *out. */
static void finish(struct reader *r, struct tj_json_doc *out)
{
    if (r->chunk)
        tj_arena_cut(r->arena, r->chunk, (size_t)(r->chunk_end - r->chunk),
                     (size_t)(r->chunk_next - r->chunk));
    struct tj_json *nodes = r->nodes;
    if (r->own.blocks) {
        tj_arena_adopt(r->arena, &r->own);
    } else {
        nodes = tj_arena_alloc(r->arena, r->count * sizeof *nodes);
        memcpy(nodes, r->nodes, r->count * sizeof *nodes);
    }
    *out = (struct tj_json_doc){
        .root = nodes, .repaired = r->repaired, .node_count = r->count};
}

bool tj_json_read(tj_str text, enum tj_json_syntax syntax, struct tj_arena *a,
                  struct tj_json_doc *out, size_t *used, struct tj_err *err)
{
    struct tj_json first[NODES_ON_STACK];
    struct reader r = {
        .begin = text.ptr ? text.ptr : "",
        .syntax = syntax,
        .nodes = first,
        .cap = NODES_ON_STACK,
        .arena = a,
        .chunk_bytes = CHUNK_BYTES_MIN,
        .err = err,
    };
    r.end = r.begin + text.len;
    tj_str mark = TJ_STR("\xEF\xBB\xBF");
    const char *p = r.begin + (tj_str_starts(text, mark) ? mark.len : 0);
    p = read_tree(&r, p);
    if (!p) {
        tj_arena_release(&r.own);
        return false;
    }
    finish(&r, out);
    *used = (size_t)(p - r.begin);
    return true;
}

bool tj_json_read_all(tj_str text, enum tj_json_syntax syntax,
                      struct tj_arena *a, struct tj_json_doc *out,
                      struct tj_err *err)
{
    struct tj_json_doc doc = {0};
    size_t used = 0;
    if (!tj_json_read(text, syntax, a, &doc, &used, err))
        return false;
    const char *end = text.ptr + text.len;
    const char *p = skip_blanks(text.ptr + used, end);
    if (p != end) {
        struct reader r = {.begin = text.ptr, .end = end, .err = err};
        (void)refuse(&r, p, "nothing after the value");
        return false;
    }
    *out = doc;
    return true;
}
