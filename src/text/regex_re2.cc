/* regex_re2.cc - RE2 behind a C face: the one C++ file.
 * SPDX-License-Identifier: Apache-2.0
 *
 * RE2 compiles a pattern to an automaton, so a search takes time linear in
 * the text, and memory up to a budget; when the budget for its fast automaton
 * runs out it goes on with a slower one, still linear.  Nothing here throws:
 * exhaustion ends the process, as everywhere (heap.h).
 */
#include <re2/re2.h>
#include <re2/stringpiece.h>

#include <assert.h>
#include <new>
#include <string.h>
#include <string>

extern "C" {
#include "base/arena.h"
#include "base/limits.h"
#include "text/regex.h"
#include "text/regex_pattern.h"
}

struct tj_regex {
    explicit tj_regex(const re2::StringPiece &pattern,
                      const RE2::Options &options)
        : re(pattern, options)
    {
    }
    RE2 re;
    /* A pattern that is plain text is looked for as such: most fields are
     * small, and setting up an automaton costs more than the search. */
    std::string literal;
};

static RE2::Options options_for(unsigned flags)
{
    RE2::Options o;
    o.set_encoding(RE2::Options::EncodingUTF8);
    o.set_max_mem(static_cast<int64_t>(TJ_REGEX_MEMORY_BYTES_MAX));
    o.set_log_errors(false);
    o.set_never_nl(false);
    o.set_case_sensitive(!(flags & TJ_REGEX_FOLD_CASE));
    o.set_literal((flags & TJ_REGEX_LITERAL) != 0);
    o.set_dot_nl((flags & TJ_REGEX_DOT_ALL) != 0);
    return o;
}

/* RE2 names the broken part but not where it is. */
static bool refuse(const RE2 &re, tj_str pattern, struct tj_err *err)
{
    const std::string &part = re.error_arg();
    if (re.error_code() == RE2::ErrorPatternTooLarge)
        return tj_fail(err, TJ_E_LIMIT,
                       "the pattern needs more than %zu bytes as a program",
                       TJ_REGEX_MEMORY_BYTES_MAX);
    static const struct {
        RE2::ErrorCode code;
        const char *what;
    } whats[] = {
        {RE2::ErrorBadEscape, "unknown escape"},
        {RE2::ErrorBadCharClass, "unknown character class"},
        {RE2::ErrorBadCharRange, "a bad character range"},
        {RE2::ErrorMissingBracket, "a [ has no ]"},
        {RE2::ErrorMissingParen, "a ( has no )"},
        {RE2::ErrorUnexpectedParen, "a ) has no ("},
        {RE2::ErrorTrailingBackslash, "a \\ has nothing behind it"},
        {RE2::ErrorRepeatArgument, "a repeat has nothing before it"},
        {RE2::ErrorRepeatSize, "repeats multiply to over 1000"},
        {RE2::ErrorRepeatOp, "a repeat of a repeat"},
        {RE2::ErrorBadPerlOp, "unknown group"},
        {RE2::ErrorBadUTF8, "the pattern is not UTF-8"},
        {RE2::ErrorBadNamedCapture, "a bad group name"},
    };
    const char *what = "the pattern is broken";
    for (const auto &w : whats)
        if (w.code == re.error_code())
            what = w.what;
    size_t at = tj_str_find(pattern, tj_str_make(part.data(), part.size()));
    if (at == static_cast<size_t>(-1))
        at = 0;
    return tj_fail(err, TJ_E_INPUT, "%s at offset %zu: %s", what, at,
                   part.c_str());
}

static bool is_literal(tj_str pattern, unsigned flags)
{
    if ((flags & TJ_REGEX_FOLD_CASE) || pattern.len == 0)
        return false;
    if (flags & TJ_REGEX_LITERAL)
        return true;
    std::string text(pattern.ptr, pattern.len);
    return text.find_first_of("\\^$.|?*+()[]{}") == std::string::npos;
}

static tj_regex *compile(tj_str pattern, tj_str rewritten, unsigned flags,
                         struct tj_err *err)
{
    std::string text;
    if ((flags & TJ_REGEX_MULTILINE) && !(flags & TJ_REGEX_LITERAL))
        text = "(?m)";
    if (rewritten.len)
        text.append(rewritten.ptr, rewritten.len);
    tj_regex *re = new tj_regex(text, options_for(flags));
    if (re->re.ok()) {
        if (is_literal(pattern, flags))
            re->literal.assign(pattern.ptr, pattern.len);
        return re;
    }
    (void)refuse(re->re, pattern, err);
    delete re;
    return nullptr;
}

extern "C" struct tj_regex *tj_regex_new(tj_str pattern, unsigned flags,
                                         struct tj_err *err)
{
    if (pattern.len > TJ_REGEX_PATTERN_BYTES_MAX) {
        (void)tj_fail(err, TJ_E_LIMIT, "the pattern is over %zu bytes",
                      TJ_REGEX_PATTERN_BYTES_MAX);
        return nullptr;
    }
    struct tj_arena a = {};
    tj_str rewritten = pattern;
    tj_regex *re = nullptr;
    if ((flags & TJ_REGEX_LITERAL) ||
        tj_regex_rewrite(pattern, &a, &rewritten, err))
        re = compile(pattern, rewritten, flags, err);
    tj_arena_release(&a);
    return re;
}

extern "C" void tj_regex_free(struct tj_regex *re)
{
    delete re;
}

static bool find_literal(const std::string &literal, tj_str text, size_t from,
                         struct tj_match *out)
{
    size_t at = tj_str_find(tj_str_slice(text, from, text.len),
                            tj_str_make(literal.data(), literal.size()));
    if (at == static_cast<size_t>(-1))
        return false;
    out->offset = from + at;
    out->len = literal.size();
    return true;
}

extern "C" bool tj_regex_find(const struct tj_regex *re, tj_str text,
                              size_t from, struct tj_match *out)
{
    assert(from <= text.len);
    if (!re->literal.empty())
        return find_literal(re->literal, text, from, out);
    /* RE2 takes a NULL text for "no match" in places. */
    re2::StringPiece piece(text.ptr ? text.ptr : "", text.len);
    re2::StringPiece match;
    if (!re->re.Match(piece, from, text.len, RE2::UNANCHORED, &match, 1))
        return false;
    out->offset = static_cast<size_t>(match.data() - piece.data());
    out->len = match.size();
    return true;
}

extern "C" bool tj_regex_test(const struct tj_regex *re, tj_str text)
{
    struct tj_match ignored;
    if (!re->literal.empty())
        return find_literal(re->literal, text, 0, &ignored);
    re2::StringPiece piece(text.ptr ? text.ptr : "", text.len);
    return re->re.Match(piece, 0, text.len, RE2::UNANCHORED, nullptr, 0);
}
