/* log.c - lines built in place and written at once.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "text/utf8.h"

static const char *const levels[] = {"error", "warn", "info", "debug"};
static const char *const formats[] = {"logfmt", "json"};

static bool find(const char *const *names, size_t count, tj_str name,
                 size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (tj_str_eq(name, tj_str_c(names[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool tj_log_level_parse(tj_str name, enum tj_log_level *out)
{
    size_t i;
    if (!find(levels, TJ_COUNT(levels), name, &i))
        return false;
    *out = (enum tj_log_level)i;
    return true;
}

bool tj_log_format_parse(tj_str name, enum tj_log_format *out)
{
    size_t i;
    if (!find(formats, TJ_COUNT(formats), name, &i))
        return false;
    *out = (enum tj_log_format)i;
    return true;
}

/* -- bytes ---------------------------------------------------------------- */

enum { TAIL_BYTES = 2 }; /* kept free for what closes the line */

static bool fits(const struct tj_log_line *l, size_t size)
{
    return l->len + size + TAIL_BYTES <= sizeof l->text;
}

static void put(struct tj_log_line *l, tj_str s)
{
    l->full = l->full || !fits(l, s.len);
    if (l->full || !s.len)
        return;
    memcpy(l->text + l->len, s.ptr, s.len);
    l->len += s.len;
}

/* Every byte of a value by itself, but whole characters beyond ASCII. */
static void put_escaped(struct tj_log_line *l, tj_str s)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        /* C1 controls: terminals obey them as they obey escapes. */
        bool c1 =
            c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0;
        if (c1)
            c = (unsigned char)s.ptr[++i];
        char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        if (c == '"' || c == '\\')
            put(l, (tj_str){(char[]){'\\', (char)c}, 2});
        else if (c < 0x20 || c == 0x7f || c1)
            put(l, (tj_str){escape, sizeof escape});
        else
            put(l, tj_str_slice(s, i, 1));
    }
}

/* May it stand in logfmt without quotes? */
static bool is_bare(tj_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return s.len > 0;
}

static void put_key(struct tj_log_line *l, const char *key)
{
    bool json = l->log->format == TJ_LOG_JSON;
    if (l->len > (json ? 1 : 0))
        put(l, json ? TJ_STR(",") : TJ_STR(" "));
    if (json)
        put(l, TJ_STR("\""));
    put(l, tj_str_c(key));
    put(l, json ? TJ_STR("\":") : TJ_STR("="));
}

/* -- lines ---------------------------------------------------------------- */

void tj_log_begin(struct tj_log_line *line, const struct tj_log *log,
                  enum tj_log_level level, const char *event)
{
    bool wanted = log && level <= log->level;
    line->log = wanted ? log : NULL;
    line->len = 0;
    line->full = false;
    if (!wanted)
        return;
    struct tj_arena a = {0};
    tj_time ms = tj_now() / TJ_NS_PER_MS;
    if (log->format == TJ_LOG_JSON)
        put(line, TJ_STR("{"));
    tj_log_str(line, "time", tj_time_text(&a, ms * TJ_NS_PER_MS));
    tj_log_str(line, "level", tj_str_c(levels[level]));
    tj_log_str(line, "event", tj_str_c(event));
    tj_arena_release(&a);
}

/* A value that is cut or broken text is made whole in a small arena; most
 * need none. */
static void put_value(struct tj_log_line *l, tj_str value)
{
    struct tj_arena a = {0};
    tj_str s = tj_utf8_clip(value, TJ_LOG_VALUE_BYTES_MAX);
    size_t size = s.len;
    if (tj_utf8_valid(s) != s.len)
        s = tj_utf8_repair(&a, s);
    put(l, TJ_STR("\""));
    put_escaped(l, s);
    if (size < value.len)
        put(l, TJ_STR("..."));
    put(l, TJ_STR("\""));
    tj_arena_release(&a);
}

void tj_log_str(struct tj_log_line *line, const char *key, tj_str value)
{
    if (!line->log)
        return;
    size_t before = line->len;
    put_key(line, key);
    bool bare = line->log->format == TJ_LOG_LOGFMT &&
                value.len <= TJ_LOG_VALUE_BYTES_MAX && is_bare(value);
    if (bare)
        put(line, value);
    else
        put_value(line, value);
    if (line->full)
        line->len = before;
}

static void put_number(struct tj_log_line *line, const char *key,
                       const char *format, ...) TJ_PRINTF(3, 4);
static void put_number(struct tj_log_line *line, const char *key,
                       const char *format, ...)
{
    char text[48];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(len > 0);
    size_t before = line->len;
    put_key(line, key);
    put(line, (tj_str){text, tj_size_min((size_t)len, sizeof text - 1)});
    if (line->full)
        line->len = before;
}

void tj_log_u64(struct tj_log_line *line, const char *key, uint64_t value)
{
    if (line->log)
        put_number(line, key, "%" PRIu64, value);
}

void tj_log_ms(struct tj_log_line *line, const char *key, uint64_t ns)
{
    if (line->log)
        put_number(line, key, "%" PRIu64 ".%03" PRIu64, ns / TJ_NS_PER_MS,
                   ns / 1000 % 1000);
}

void tj_log_end(struct tj_log_line *line)
{
    if (!line->log)
        return;
    if (line->log->format == TJ_LOG_JSON)
        line->text[line->len++] = '}';
    line->text[line->len++] = '\n';
    ssize_t ignored = write(line->log->fd, line->text, line->len);
    (void)ignored;
}

void tj_log_text(const struct tj_log *log, enum tj_log_level level,
                 const char *event, tj_str text)
{
    struct tj_log_line line;
    tj_log_begin(&line, log, level, event);
    tj_log_str(&line, "text", text);
    tj_log_end(&line);
}

void tj_log_err(const struct tj_log *log, const char *event,
                const struct tj_err *err)
{
    struct tj_log_line line;
    tj_log_begin(&line, log, TJ_LOG_ERROR, event);
    tj_log_str(&line, "error", tj_str_c(err->message));
    tj_log_end(&line);
}
