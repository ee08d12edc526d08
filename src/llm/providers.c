/* providers.c - the table of providers, and model URIs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llm/providers.h"

static bool malformed(tj_str uri, struct tj_err *err)
{
    return tj_fail(err, TJ_E_INPUT,
                   "Malformed model uri '%.*s'. The URI must be in the format "
                   "of <provider>:/<model-name>, e.g., 'openai:/gpt-4.1-mini'.",
                   TJ_STR_ARG(tj_str_slice(uri, 0, 200)));
}

static bool is_word(tj_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!ok)
            return false;
    }
    return s.len > 0;
}

static bool is_printable(tj_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return false;
    return true;
}

bool tj_model_uri_parse(tj_str uri, struct tj_model_uri *out,
                        struct tj_err *err)
{
    struct tj_model_uri u = {0};
    tj_str rest = uri;
    size_t query = tj_str_find(uri, TJ_STR("?base_url="));
    if (query != (size_t)-1) {
        u.base_url = tj_str_slice(uri, query + 10, uri.len);
        rest = tj_str_slice(uri, 0, query);
        if (!u.base_url.len)
            return malformed(uri, err);
    }
    size_t colon = tj_str_find(rest, TJ_STR(":/"));
    size_t split = colon == (size_t)-1 ? tj_str_find_byte(rest, '/') : colon;
    if (split == (size_t)-1)
        return malformed(uri, err);
    u.provider = tj_str_slice(rest, 0, split);
    u.path = tj_str_slice(rest, split + (split == colon ? 2 : 1), rest.len);
    u.name = u.path;
    while (u.name.len && u.name.ptr[0] == '/')
        u.name = tj_str_slice(u.name, 1, u.name.len);
    if (!is_word(u.provider) || !u.name.len || !is_printable(uri))
        return malformed(uri, err);
    *out = u;
    return true;
}
