/* api_doctor.c - what this installation can do and what it lacks.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"

#include <inttypes.h>

#include "text/json_write.h"

struct check {
    const char *name;
    bool healthy;
    tj_str text;
};

typedef TJ_VEC(struct check) checks;

static void add(checks *list, struct tj_arena *a, const char *name,
                bool healthy, tj_str text)
{
    *tj_vec_add(list, a) =
        (struct check){.name = name, .healthy = healthy, .text = text};
}

static void check_store(checks *list, struct tj_arena *a, const char *url)
{
    struct tracejudge *tj = NULL;
    struct tj_error err = {0};
    struct tj_counts n = {0};
    if (!tj_open(url, TJ_OPEN_READ_ONLY, &tj, &err)) {
        /* No database yet is how everybody starts. */
        add(list, a, "store", err.code == TJ_ERROR_IO,
            tj_str_printf(a, "%s", err.message));
        return;
    }
    struct tj_err why = {0};
    tj_str about = {0};
    if (!tj_store_describe(tj->store, a, &about, &why) || about.len) {
        bool known = why.code == TJ_E_NONE;
        add(list, a, "store", known,
            known ? about : tj_str_printf(a, "%s", why.message));
        tj_close(tj);
        return;
    }
    bool ok = tj_count(tj, &n, &err);
    tj_str text = tj_str_printf(
        a,
        "%s: %" PRIu64 " traces, %" PRIu64 " spans, %" PRIu64
        " assessments, %" PRIu64 " KB of text in %" PRIu64
        " KB on disk, schema %" PRIu32,
        tj_store_url(tj), n.traces, n.spans, n.assessments, n.text_bytes / 1024,
        n.disk_bytes / 1024, n.schema_version);
    add(list, a, "store", ok, ok ? text : tj_str_printf(a, "%s", err.message));
    tj_close(tj);
}

static void check_keys(checks *list, struct tj_arena *a)
{
    static const struct {
        const char *provider;
        const char *variable;
    } keys[] = {
        {"openai", "OPENAI_API_KEY"}, {"anthropic", "ANTHROPIC_API_KEY"},
        {"gemini", "GEMINI_API_KEY"}, {"mistral", "MISTRAL_API_KEY"},
        {"groq", "GROQ_API_KEY"},     {"deepseek", "DEEPSEEK_API_KEY"},
        {"xai", "XAI_API_KEY"},       {"openrouter", "OPENROUTER_API_KEY"},
    };
    struct tj_buf b;
    tj_buf_init(&b, a, 1024);
    for (size_t i = 0; i < TJ_COUNT(keys); i++)
        if (tj_api_env(keys[i].variable))
            tj_buf_fmt(&b, "%s%s", b.len ? ", " : "", keys[i].provider);
    tj_str found = tj_buf_str(&b);
    add(list, a, "keys", true,
        found.len ? tj_str_printf(a, "found for %.*s", TJ_STR_ARG(found))
                  : TJ_STR("none in the environment: builtin:/rules and local "
                           "servers need none"));
    const char *model = tj_api_env("TRACEJUDGE_MODEL");
    add(list, a, "model", true,
        model ? tj_str_printf(a, "%s (TRACEJUDGE_MODEL)", model)
              : TJ_STR("each judge file names its own (TRACEJUDGE_MODEL is "
                       "not set)"));
}

static void write_checks(const checks *list, enum tj_form form,
                         struct tj_buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct check *c = &list->items[i];
        if (form == TJ_FORM_TABLE) {
            tj_buf_fmt(out, "%s %-10s %.*s\n", c->healthy ? "ok  " : "BAD ",
                       c->name, TJ_STR_ARG(c->text));
            continue;
        }
        struct tj_json_writer w;
        tj_json_writer_init(&w, out, TJ_JSON_COMPACT);
        tj_jw_object(&w);
        tj_jw_key_str(&w, "check", tj_str_c(c->name));
        tj_jw_key_bool(&w, "ok", c->healthy);
        tj_jw_key_str(&w, "detail", c->text);
        tj_jw_end(&w);
        tj_buf_byte(out, '\n');
    }
}

bool tj_doctor(const char *url, enum tj_form form, struct tj_text *out,
               bool *healthy, struct tj_error *err)
{
    struct tj_arena a = {0};
    struct tj_err why = {0};
    checks list = {0};
    add(&list, &a, "version", true,
        tj_str_printf(&a, "tracejudge %s", tj_version()));
    check_store(&list, &a, url);
    check_keys(&list, &a);
    struct tj_buf b;
    tj_buf_init(&b, &a, 1 << 16);
    write_checks(&list, form, &b);
    bool ok = tj_buf_ok(&b, "report", &why);
    if (ok) {
        *out = tj_api_text(tj_buf_str(&b));
        *healthy = true;
        for (size_t i = 0; i < list.count; i++)
            *healthy = *healthy && list.items[i].healthy;
    }
    tj_arena_release(&a);
    return ok || tj_api_fail(&why, err);
}
