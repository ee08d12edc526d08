/* normal_rules.h - the precedence tables of the normal form.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to normal*.c.  A rule says: this value of the normal form can be
 * read from this key, in this way; among the rules of one value the first
 * that gives something wins.
 */
#ifndef TJ_TRACE_NORMAL_RULES_H
#define TJ_TRACE_NORMAL_RULES_H

#include "trace/normal.h"

enum tj_rule_how {
    TJ_RULE_KIND,         /* an attribute whose text is a word for a kind */
    TJ_RULE_KIND_IF,      /* its presence alone says the kind in `arg` */
    TJ_RULE_SHARE,        /* the field is the value */
    TJ_RULE_SHARE_EVENT,  /* the same, for an attribute of any event */
    TJ_RULE_FAMILY,       /* key.0.x.y, key.1...: put together */
    TJ_RULE_EVENTS,       /* gen_ai.*.message events: put together */
    TJ_RULE_TEXT,         /* its text */
    TJ_RULE_TEXT_IF_TOOL, /* its text, when the span is a TOOL */
    TJ_RULE_COUNT,        /* a number of tokens */
    TJ_RULE_COUNT_MEMBER, /* the same, member `arg` of a JSON object */
    TJ_RULE_MONEY,        /* US dollars */
    TJ_RULE_MONEY_PAIR,   /* the same, in two halves: key and `arg` */
    TJ_RULE_MONEY_MEMBER, /* member `arg`, or the sum of all members */
};

/* Who counts cached tokens apart from input tokens (OpenTelemetry includes
 * them). */
enum tj_rule_cache {
    TJ_CACHE_INCLUDED,
    TJ_CACHE_APART,              /* and reasoning apart from output */
    TJ_CACHE_APART_IF_ANTHROPIC, /* passes on what the provider said */
};

struct tj_rule {
    enum tj_normal which;
    enum tj_rule_how how;
    const char *key; /* without "attributes." or "events.<n>." */
    const char *arg;
    enum tj_rule_cache cache;
};

extern const struct tj_rule tj_rules[];
extern const size_t tj_rule_count;
enum { TJ_RULES_MAX = 250 }; /* a row number + 1 fits a byte */

/* A convention's word ("execute_tool", "GENERATION", "ai.toolCall", ...).
 * False for a word that no convention has. */
bool tj_rule_kind_word(tj_str word, enum tj_kind *out);

#endif
