/* filter_lex.h - the words of the filter language.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to filter.c.  A word is an identifier, a keyword or a number; which
 * of them, the parser knows from its place.  Threads: one at a time.
 */
#ifndef TJ_STORE_FILTER_LEX_H
#define TJ_STORE_FILTER_LEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum tj_filter_token_kind {
    TJ_TOKEN_END,
    TJ_TOKEN_WORD,   /* tag.k  span.attributes."a b"  AND  1.5 */
    TJ_TOKEN_QUOTED, /* 'text' "text" `text` */
    TJ_TOKEN_OP,     /* = != <> < <= > >= */
    TJ_TOKEN_OPEN,   /* ( */
    TJ_TOKEN_CLOSE,
    TJ_TOKEN_COMMA,
};

struct tj_filter_token {
    enum tj_filter_token_kind kind;
    tj_str raw;  /* as it stands in the text */
    tj_str text; /* QUOTED: without quotes.  WORD: with its quoted part
                  * unquoted */
    char quote;  /* of a QUOTED token, or of the last part of a WORD; or 0 */
};

struct tj_filter_lexer {
    tj_str text;
    size_t at; /* behind token */
    struct tj_arena *arena;
    struct tj_filter_token token; /* the one at hand */
};

/* Reads the first token.  TJ_E_INPUT for a quote without an end and for bytes
 * that belong to no token. */
bool tj_filter_lex_init(struct tj_filter_lexer *lex, tj_str text,
                        struct tj_arena *a, struct tj_err *err) TJ_MUST_USE;
bool tj_filter_lex_next(struct tj_filter_lexer *lex, struct tj_err *err)
    TJ_MUST_USE;
/* Is the token at hand this keyword?  ASCII case does not matter. */
bool tj_filter_lex_is(const struct tj_filter_lexer *lex, const char *keyword);
/* Where the token at hand begins, and the text from there on; for messages. */
size_t tj_filter_lex_offset(const struct tj_filter_lexer *lex);
tj_str tj_filter_lex_rest(const struct tj_filter_lexer *lex);

#endif
