/* filter_lex.c - one token at a time.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   word   = { letter | digit | one of _ . $ @ / : + - # } [ quoted ]
 *   quoted = quote { byte | quote quote } quote         quote: ' " `
 *
 * A quote right behind a dot belongs to the word: tag.`a b`.  Inside quotes
 * the quote itself is written twice, as in SQL.
 */
#include "store/filter_lex.h"

#include "base/buf.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80 ||
           (c && strchr("_.$@/:+-#", c));
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"' || c == '`';
}

static char byte_at(const struct tj_filter_lexer *lex, size_t at)
{
    return at < lex->text.len ? lex->text.ptr[at] : '\0';
}

size_t tj_filter_lex_offset(const struct tj_filter_lexer *lex)
{
    return lex->token.kind == TJ_TOKEN_END
               ? lex->text.len
               : (size_t)(lex->token.raw.ptr - lex->text.ptr);
}

tj_str tj_filter_lex_rest(const struct tj_filter_lexer *lex)
{
    return tj_str_slice(lex->text, tj_filter_lex_offset(lex), lex->text.len);
}

/* In the quotes that Python's repr would take. */
static bool refuse_second(const struct tj_filter_lexer *lex, struct tj_err *err)
{
    bool single = tj_str_find_byte(lex->text, '\'') != (size_t)-1;
    bool both = tj_str_find_byte(lex->text, '"') != (size_t)-1;
    char quote = single && !both ? '"' : '\'';
    return tj_fail(err, TJ_E_INPUT,
                   "Search filter contained multiple expression %c%.*s%c. "
                   "Provide AND-ed expression list.",
                   quote, TJ_STR_ARG(lex->text), quote);
}

static bool refuse(const struct tj_filter_lexer *lex, size_t at,
                   struct tj_err *err)
{
    tj_str rest = tj_str_slice(lex->text, at, lex->text.len);
    if (byte_at(lex, at) == ';')
        return refuse_second(lex, err);
    return tj_fail(err, TJ_E_INPUT,
                   "Invalid clause(s) in filter string: '%.*s'",
                   TJ_STR_ARG(rest));
}

/* at is on a quote; what is inside goes to out, *at behind the end. */
static bool unquote(struct tj_filter_lexer *lex, size_t *at, struct tj_buf *out)
{
    char quote = byte_at(lex, *at);
    for (size_t i = *at + 1; i < lex->text.len; i++) {
        if (byte_at(lex, i) == quote) {
            if (byte_at(lex, i + 1) != quote) {
                *at = i + 1;
                return true;
            }
            i++;
        }
        tj_buf_byte(out, byte_at(lex, i));
    }
    return false;
}

static bool take_quoted(struct tj_filter_lexer *lex, size_t from,
                        struct tj_err *err)
{
    struct tj_buf text;
    size_t at = from;
    tj_buf_init(&text, lex->arena, lex->text.len);
    if (!unquote(lex, &at, &text))
        return refuse(lex, from, err);
    lex->token = (struct tj_filter_token){
        .kind = TJ_TOKEN_QUOTED,
        .raw = tj_str_slice(lex->text, from, at - from),
        .text = tj_buf_str(&text),
        .quote = byte_at(lex, from),
    };
    lex->at = at;
    return true;
}

static bool take_word(struct tj_filter_lexer *lex, size_t from,
                      struct tj_err *err)
{
    size_t at = from;
    while (is_word(byte_at(lex, at)))
        at++;
    tj_str text = tj_str_slice(lex->text, from, at - from);
    char quote = '\0';
    if (tj_str_ends(text, TJ_STR(".")) && is_quote(byte_at(lex, at))) {
        struct tj_buf joined;
        quote = byte_at(lex, at);
        tj_buf_init(&joined, lex->arena, lex->text.len);
        tj_buf_add(&joined, text);
        if (!unquote(lex, &at, &joined))
            return refuse(lex, from, err);
        text = tj_buf_str(&joined);
    }
    lex->token = (struct tj_filter_token){
        .kind = TJ_TOKEN_WORD,
        .raw = tj_str_slice(lex->text, from, at - from),
        .text = text,
        .quote = quote,
    };
    lex->at = at;
    return true;
}

static void take(struct tj_filter_lexer *lex, size_t from, size_t len,
                 enum tj_filter_token_kind kind)
{
    tj_str raw = tj_str_slice(lex->text, from, len);
    lex->token =
        (struct tj_filter_token){.kind = kind, .raw = raw, .text = raw};
    lex->at = from + len;
}

static bool take_op(struct tj_filter_lexer *lex, size_t from,
                    struct tj_err *err)
{
    static const char *const ops[] = {
        "==", "!=", "<>", "<=", ">=", "=", "<", ">"};
    tj_str rest = tj_str_slice(lex->text, from, lex->text.len);
    for (size_t i = 0; i < TJ_COUNT(ops); i++) {
        if (!tj_str_starts(rest, tj_str_c(ops[i])))
            continue;
        take(lex, from, strlen(ops[i]), TJ_TOKEN_OP);
        return true;
    }
    return refuse(lex, from, err);
}

bool tj_filter_lex_next(struct tj_filter_lexer *lex, struct tj_err *err)
{
    size_t at = lex->at;
    while (is_blank(byte_at(lex, at)))
        at++;
    char c = byte_at(lex, at);
    if (at == lex->text.len)
        take(lex, at, 0, TJ_TOKEN_END);
    else if (c == '(')
        take(lex, at, 1, TJ_TOKEN_OPEN);
    else if (c == ')')
        take(lex, at, 1, TJ_TOKEN_CLOSE);
    else if (c == ',')
        take(lex, at, 1, TJ_TOKEN_COMMA);
    else if (is_quote(c))
        return take_quoted(lex, at, err);
    else if (is_word(c))
        return take_word(lex, at, err);
    else
        return take_op(lex, at, err);
    return true;
}

bool tj_filter_lex_init(struct tj_filter_lexer *lex, tj_str text,
                        struct tj_arena *a, struct tj_err *err)
{
    *lex = (struct tj_filter_lexer){.text = text, .arena = a};
    return tj_filter_lex_next(lex, err);
}

bool tj_filter_lex_is(const struct tj_filter_lexer *lex, const char *keyword)
{
    return lex->token.kind == TJ_TOKEN_WORD && !lex->token.quote &&
           tj_str_eq_fold(lex->token.text, tj_str_c(keyword));
}
