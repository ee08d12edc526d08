/* regex_pattern.c - one pass over a pattern, a token at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/regex_pattern.h"

#include "base/buf.h"
#include "base/limits.h"

/* No rewriting makes its token more than twice as long. */
enum { GROWTH_MAX = 2 };

struct rewrite {
    tj_str in;
    size_t at;
    struct tj_buf out;
    bool repeated; /* the token before was a repeat: "+" makes it possessive */
    struct tj_err *err;
};

/* What may follow "(?", longest first.  what: refused under that name. */
struct group {
    tj_str text;
    const char *what;
    tj_str becomes; /* when not refused; empty: as it is */
};

static const struct group groups[] = {
    {TJ_STR_INIT("<="), "look-behind is not supported", {0}},
    {TJ_STR_INIT("<!"), "look-behind is not supported", {0}},
    {TJ_STR_INIT("="), "look-ahead is not supported", {0}},
    {TJ_STR_INIT("!"), "look-ahead is not supported", {0}},
    {TJ_STR_INIT(">"), "an atomic group is not supported", {0}},
    {TJ_STR_INIT("("), "a condition is not supported", {0}},
    {TJ_STR_INIT("|"), "a branch reset is not supported", {0}},
    {TJ_STR_INIT("R"), "recursion is not supported", {0}},
    {TJ_STR_INIT("&"), "recursion is not supported", {0}},
    {TJ_STR_INIT("P>"), "recursion is not supported", {0}},
    {TJ_STR_INIT("P="), "a back-reference is not supported", {0}},
    {TJ_STR_INIT("<"), NULL, TJ_STR_INIT("(?P<")},
};

static bool at_text(const struct rewrite *r, size_t ahead, tj_str text)
{
    return tj_str_eq(tj_str_slice(r->in, r->at + ahead, text.len), text);
}

static char byte_at(const struct rewrite *r, size_t ahead)
{
    return r->at + ahead < r->in.len ? r->in.ptr[r->at + ahead] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool refuse(const struct rewrite *r, const char *what, size_t len)
{
    tj_str part = tj_str_slice(r->in, r->at, len);
    return tj_fail(r->err, TJ_E_INPUT, "%s at offset %zu: %.*s", what, r->at,
                   TJ_STR_ARG(part));
}

static void keep(struct rewrite *r, size_t len)
{
    tj_buf_add(&r->out, tj_str_slice(r->in, r->at, len));
    r->at = tj_size_min(r->at + len, r->in.len);
    r->repeated = false;
}

static void replace(struct rewrite *r, size_t len, tj_str with)
{
    tj_buf_add(&r->out, with);
    r->at += len;
    r->repeated = false;
}

/* \uXXXX and \UXXXXXXXX; RE2 knows \x{...} only. */
static void unicode_escape(struct rewrite *r, size_t digits)
{
    for (size_t i = 0; i < digits; i++) {
        if (!is_hex(byte_at(r, 2 + i))) {
            keep(r, 2);
            return;
        }
    }
    tj_str hex = tj_str_slice(r->in, r->at + 2, digits);
    tj_buf_add(&r->out, TJ_STR("\\x{"));
    tj_buf_add(&r->out, hex);
    replace(r, 2 + digits, TJ_STR("}"));
}

/* \1 to \99 as Python reads them; three octal digits are a character. */
static bool back_reference(const struct rewrite *r)
{
    bool three = is_octal(byte_at(r, 1)) && is_octal(byte_at(r, 2)) &&
                 is_octal(byte_at(r, 3));
    size_t len = is_digit(byte_at(r, 2)) ? 3 : 2;
    return three || refuse(r, "a back-reference is not supported", len);
}

/* \Q...\E: nothing inside is ours. */
static void literal_run(struct rewrite *r)
{
    tj_str inside = tj_str_slice(r->in, r->at, r->in.len);
    size_t end = tj_str_find(inside, TJ_STR("\\E"));
    keep(r, end == (size_t)-1 ? inside.len : end + 2);
}

static bool escape(struct rewrite *r)
{
    char c = byte_at(r, 1);
    if (c >= '1' && c <= '9' && !back_reference(r))
        return false;
    if ((c == 'k' && (byte_at(r, 2) == '<' || byte_at(r, 2) == '{')) ||
        c == 'g')
        return refuse(r, "a back-reference is not supported", 2);
    if (c == 'C') /* one byte: it would cut characters in half */
        return refuse(r, "a single byte is not supported", 2);
    if (c == 'Z')
        replace(r, 2, TJ_STR("\\z"));
    else if (c == 'u')
        unicode_escape(r, 4);
    else if (c == 'U')
        unicode_escape(r, 8);
    else if (c == 'Q')
        literal_run(r);
    else
        keep(r, 2);
    return true;
}

/* [...]: a "]" in the first place is a member; [:alpha:] stands inside. */
static void class(struct rewrite *r)
{
    keep(r, byte_at(r, 1) == '^' ? 2 : 1);
    if (byte_at(r, 0) == ']')
        keep(r, 1);
    while (r->at < r->in.len && byte_at(r, 0) != ']') {
        tj_str inside = tj_str_slice(r->in, r->at, r->in.len);
        size_t named = at_text(r, 0, TJ_STR("[:"))
                           ? tj_str_find(inside, TJ_STR(":]"))
                           : (size_t)-1;
        if (named != (size_t)-1)
            keep(r, named + 2);
        else if (at_text(r, 0, TJ_STR("\\b")))
            replace(r, 2, TJ_STR("\\x08"));
        else if (at_text(r, 0, TJ_STR("\\u")))
            unicode_escape(r, 4);
        else if (at_text(r, 0, TJ_STR("\\U")))
            unicode_escape(r, 8);
        else
            keep(r, byte_at(r, 0) == '\\' ? 2 : 1);
    }
    keep(r, 1);
}

static bool group(struct rewrite *r)
{
    if (at_text(r, 0, TJ_STR("(?#"))) {
        tj_str inside = tj_str_slice(r->in, r->at, r->in.len);
        size_t end = tj_str_find_byte(inside, ')');
        if (end == (size_t)-1)
            return refuse(r, "a comment has no end", 3);
        r->at += end + 1;
        return true;
    }
    if (!at_text(r, 0, TJ_STR("(?"))) {
        keep(r, 1);
        return true;
    }
    for (size_t i = 0; i < TJ_COUNT(groups); i++) {
        const struct group *g = &groups[i];
        if (!at_text(r, 2, g->text))
            continue;
        if (g->what)
            return refuse(r, g->what, 2 + g->text.len);
        replace(r, 2 + g->text.len, g->becomes);
        return true;
    }
    keep(r, 2);
    return true;
}

/* Length of "{n}", "{n,}", "{,m}" or "{n,m}" here, else 0 (then a literal);
 * *most is the larger number. */
static size_t braces(const struct rewrite *r, uint64_t *most)
{
    tj_str inside = tj_str_slice(r->in, r->at + 1, r->in.len);
    size_t end = tj_str_find_byte(inside, '}');
    if (end == (size_t)-1 || end == 0)
        return 0;
    tj_str high = tj_str_slice(inside, 0, end);
    tj_str low = tj_str_cut(&high, ',');
    if (low.len == 0 && high.len == 0)
        return 0;
    for (size_t i = 0; i < end; i++)
        if (!is_digit(inside.ptr[i]) && inside.ptr + i != low.ptr + low.len)
            return 0;
    uint64_t from = 0;
    uint64_t to = 0;
    if ((low.len && !tj_str_to_u64(low, &from)) ||
        (high.len && !tj_str_to_u64(high, &to)))
        from = UINT64_MAX;
    *most = from > to ? from : to;
    return end + 2;
}

static bool repeat(struct rewrite *r)
{
    uint64_t most = 0;
    size_t len = byte_at(r, 0) == '{' ? braces(r, &most) : 1;
    if (!len) {
        keep(r, 1);
        return true;
    }
    if (r->repeated && byte_at(r, 0) == '+')
        return refuse(r, "a possessive repeat is not supported", 1);
    if (most > TJ_REGEX_REPEAT_MAX)
        return refuse(r, "a repeat is over 1000", len);
    bool lazy = r->repeated && byte_at(r, 0) == '?';
    if (at_text(r, 0, TJ_STR("{,"))) {
        tj_buf_add(&r->out, TJ_STR("{0"));
        r->at++;
        len--;
    }
    keep(r, len);
    r->repeated = !lazy;
    return true;
}

static bool token(struct rewrite *r)
{
    switch (byte_at(r, 0)) {
    case '\\': return escape(r);
    case '(': return group(r);
    case '[': class(r); return true;
    case '*':
    case '+':
    case '?':
    case '{': return repeat(r);
    default: keep(r, 1); return true;
    }
}

bool tj_regex_rewrite(tj_str pattern, struct tj_arena *a, tj_str *out,
                      struct tj_err *err)
{
    struct rewrite r = {.in = pattern, .err = err};
    tj_buf_init(&r.out, a, pattern.len * GROWTH_MAX);
    while (r.at < pattern.len)
        if (!token(&r))
            return false;
    if (!tj_buf_ok(&r.out, "pattern", err))
        return false;
    *out = tj_buf_str(&r.out);
    return true;
}
