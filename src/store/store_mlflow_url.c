/* store_mlflow_url.c - where an MLflow server is, and as whom to ask it.
 * SPDX-License-Identifier: Apache-2.0
 *
 *     mlflow+http://host:5000/prefix?experiment=NAME
 *     mlflow+https://host?experiment_id=7
 *
 * A password has no place in a URL: command lines are seen by everybody on the
 * machine and kept in histories.  It is refused there, and no message shows
 * the URL that it stood in.
 */
#include "base/buf.h"
#include "base/hex.h"
#include "base/limits.h"
#include "store/store_mlflow_int.h"
#include "text/base64.h"

enum {
    URL_BYTES_MAX = 4096,
    ID_DIGITS_MAX = 19,
    RETRY_MS = 500, /* before the first retry; then twice that, ... */
};

static bool is_digits(tj_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len && s.len <= ID_DIGITS_MAX;
}

static bool is_plain(tj_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}#", c))
            return false;
    }
    return true;
}

tj_str tj_mlflow_escape(struct tj_arena *a, tj_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    struct tj_buf out;
    tj_buf_init(&out, a, SIZE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool keep = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                    (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
                    c == '.' || c == '~';
        if (keep) {
            tj_buf_byte(&out, (char)c);
            continue;
        }
        tj_buf_byte(&out, '%');
        tj_buf_byte(&out, digits[c >> 4]);
        tj_buf_byte(&out, digits[c & 15]);
    }
    return tj_buf_str(&out);
}

static bool unescape(tj_str text, struct tj_arena *a, tj_str *out,
                     struct tj_err *err)
{
    struct tj_buf b;
    tj_buf_init(&b, a, URL_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = 0;
        if (text.ptr[i] != '%') {
            tj_buf_byte(&b, text.ptr[i]);
            continue;
        }
        if (!tj_hex_parse(tj_str_slice(text, i + 1, 2), &byte, 1) || !byte)
            return tj_fail(err, TJ_E_INPUT,
                           "store URL: '%%' must be followed by two hex "
                           "digits");
        tj_buf_byte(&b, (char)byte);
        i += 2;
    }
    *out = tj_buf_str(&b);
    return tj_buf_ok(&b, "store URL", err);
}

static bool take_parameter(tj_str text, struct tj_mlflow *m, struct tj_err *err)
{
    tj_str rest = text;
    tj_str key = tj_str_cut(&rest, '=');
    tj_str value = {0};
    if (!unescape(rest, &m->arena, &value, err))
        return false;
    bool is_name = tj_str_eq(key, TJ_STR("experiment"));
    if (!is_name && !tj_str_eq(key, TJ_STR("experiment_id")))
        return tj_fail(err, TJ_E_INPUT,
                       "store URL: '%.*s' is not experiment or experiment_id",
                       TJ_STR_ARG(tj_str_slice(key, 0, 64)));
    if (value.len == 0)
        return tj_fail(err, TJ_E_INPUT, "store URL: '%.*s' is empty",
                       TJ_STR_ARG(key));
    if (m->wanted_name.len || m->wanted_id.len)
        return tj_fail(err, TJ_E_INPUT,
                       "store URL: one experiment, or none for all of them");
    *(is_name ? &m->wanted_name : &m->wanted_id) = value;
    return true;
}

static bool take_query(tj_str query, struct tj_mlflow *m, struct tj_err *err)
{
    while (query.len) {
        tj_str one = tj_str_cut(&query, '&');
        if (one.len && !take_parameter(one, m, err))
            return false;
    }
    return true;
}

/* Basic goes before bearer, as in MLflow's own client. */
static bool take_login(const struct tj_store_remote *remote,
                       struct tj_mlflow *m, struct tj_err *err)
{
    struct tj_arena *a = &m->arena;
    if (remote->user.len && remote->password.len) {
        tj_str both = tj_str_printf(a, "%.*s:%.*s", TJ_STR_ARG(remote->user),
                                    TJ_STR_ARG(remote->password));
        if (tj_str_find_byte(remote->user, ':') != (size_t)-1)
            return tj_fail(err, TJ_E_INPUT,
                           "a user name with ':' cannot be sent to an MLflow "
                           "server");
        m->authorization = tj_str_printf(a, "Basic %.*s",
                                         TJ_STR_ARG(tj_base64_write(a, both)));
        return true;
    }
    if (remote->user.len || remote->password.len)
        return tj_fail(err, TJ_E_AUTH,
                       "MLflow's user name and password go together: set "
                       "MLFLOW_TRACKING_USERNAME and "
                       "MLFLOW_TRACKING_PASSWORD");
    if (!remote->token.len)
        return true;
    if (!is_plain(remote->token))
        return tj_fail(err, TJ_E_AUTH,
                       "MLFLOW_TRACKING_TOKEN has a character that no token "
                       "has");
    m->authorization =
        tj_str_printf(a, "Bearer %.*s", TJ_STR_ARG(remote->token));
    return true;
}

static bool take_place(tj_str rest, struct tj_mlflow *m, struct tj_err *err)
{
    tj_str path = rest;
    tj_str host = tj_str_cut(&path, '/');
    if (tj_str_find_byte(host, '@') != (size_t)-1)
        return tj_fail(err, TJ_E_INPUT,
                       "store URL: no user and password in it: set "
                       "MLFLOW_TRACKING_USERNAME and "
                       "MLFLOW_TRACKING_PASSWORD");
    if (!host.len || !is_plain(rest))
        return tj_fail(err, TJ_E_INPUT,
                       "store URL: expected mlflow+http://host:port");
    while (tj_str_ends(rest, TJ_STR("/")))
        rest.len--;
    m->base = rest;
    return true;
}

bool tj_mlflow_parse_url(tj_str url, const struct tj_store_remote *remote,
                         struct tj_mlflow *out, struct tj_err *err)
{
    struct tj_arena *a = &out->arena;
    if (url.len > URL_BYTES_MAX)
        return tj_fail(err, TJ_E_LIMIT, "store URL is over %d bytes",
                       URL_BYTES_MAX);
    bool secure = tj_str_starts(url, TJ_STR("mlflow+https://"));
    tj_str query = tj_str_slice(url, secure ? 15 : 14, url.len);
    tj_str rest = tj_str_cut(&query, '?');
    if (!take_place(rest, out, err) || !take_query(query, out, err) ||
        !take_login(remote, out, err))
        return false;
    out->base = tj_str_printf(a, "%s://%.*s", secure ? "https" : "http",
                              TJ_STR_ARG(out->base));
    if (!out->wanted_name.len && !out->wanted_id.len) {
        out->wanted_id = tj_str_dup(a, remote->experiment_id);
        if (!out->wanted_id.len)
            out->wanted_name = tj_str_dup(a, remote->experiment);
    }
    if (out->wanted_id.len && !is_digits(out->wanted_id))
        return tj_fail(err, TJ_E_INPUT,
                       "experiment id \"%.*s\": expected a number",
                       TJ_STR_ARG(tj_str_slice(out->wanted_id, 0, 64)));
    out->ca_file = tj_str_dup(a, remote->ca_file);
    out->timeout_ms =
        remote->timeout_ms ? remote->timeout_ms : TJ_MLFLOW_TIMEOUT_MS;
    out->retry_ms = remote->retry_ms ? remote->retry_ms : RETRY_MS;
    return true;
}
