/* log.h - what the server tells the one who runs it, a line an event.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     time=2026-05-02T08:00:00.123Z level=info event=listening url=http://...
 *     {"time":"2026-05-02T08:00:00.123Z","level":"info","event":"listening",...}
 *
 *  1. One line is one write, so lines of many threads do not mix.
 *  2. Values may come from outside: what is not plain text is escaped, and
 *     long ones are clipped.  Keys and event names are ours.
 *  3. Secrets and bodies never come here.
 * Threads: a log any, a line one.
 */
#ifndef TJ_SERVE_LOG_H
#define TJ_SERVE_LOG_H

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"

enum tj_log_level {
    TJ_LOG_ERROR,
    TJ_LOG_WARN,
    TJ_LOG_INFO,
    TJ_LOG_DEBUG,
};

enum tj_log_format { TJ_LOG_LOGFMT, TJ_LOG_JSON };

struct tj_log {
    int fd;
    enum tj_log_level level;
    enum tj_log_format format;
};

enum { TJ_LOG_LINE_BYTES_MAX = 4096, TJ_LOG_VALUE_BYTES_MAX = 512 };

struct tj_log_line {
    const struct tj_log *log; /* NULL: nobody wants it */
    size_t len;
    bool full; /* something did not fit: what follows is left out */
    char text[TJ_LOG_LINE_BYTES_MAX];
};

/* "error", "warn", "info", "debug"; "logfmt", "json". */
bool tj_log_level_parse(tj_str name, enum tj_log_level *out) TJ_MUST_USE;
bool tj_log_format_parse(tj_str name, enum tj_log_format *out) TJ_MUST_USE;

/* log may be NULL: then nothing is written.  Adding to a line that nobody
 * wants costs nothing. */
void tj_log_begin(struct tj_log_line *line, const struct tj_log *log,
                  enum tj_log_level level, const char *event);
void tj_log_str(struct tj_log_line *line, const char *key, tj_str value);
void tj_log_u64(struct tj_log_line *line, const char *key, uint64_t value);
/* In milliseconds with three digits of a fraction. */
void tj_log_ms(struct tj_log_line *line, const char *key, uint64_t ns);
void tj_log_end(struct tj_log_line *line);

/* A whole line with one text, or an error. */
void tj_log_text(const struct tj_log *log, enum tj_log_level level,
                 const char *event, tj_str text);
void tj_log_err(const struct tj_log *log, const char *event,
                const struct tj_err *err);

#endif
