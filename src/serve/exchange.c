/* exchange.c - see exchange.h; and grants.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve/exchange.h"

tj_str tj_request_header(const struct tj_request *rq, tj_str name)
{
    for (size_t i = 0; i < rq->header_count; i++) {
        if (tj_str_eq_fold(rq->headers[i].name, name))
            return rq->headers[i].value;
    }
    return (tj_str){0};
}

tj_str tj_request_param(const struct tj_request *rq, tj_str name)
{
    for (size_t i = 0; i < rq->param_count; i++) {
        if (tj_str_eq(rq->params[i].name, name))
            return rq->params[i].value;
    }
    return (tj_str){0};
}

tj_str tj_request_content_type(const struct tj_request *rq)
{
    tj_str value = tj_request_header(rq, TJ_STR("Content-Type"));
    size_t end = tj_str_find_byte(value, ';');
    return tj_str_trim(tj_str_slice(value, 0, end));
}

static void fill(struct tj_answer *out, int status, tj_str type, tj_str body)
{
    out->status = status;
    out->content_type = type;
    out->body = body;
}

void tj_answer_text(struct tj_answer *out, int status, tj_str text)
{
    fill(out, status, TJ_STR("text/plain; charset=utf-8"), text);
}

void tj_answer_json(struct tj_answer *out, int status, tj_str json)
{
    fill(out, status, TJ_STR("application/json"), json);
}

void tj_answer_header(struct tj_answer *out, tj_str name, tj_str value)
{
    assert(out->header_count < TJ_ANSWER_HEADERS_MAX);
    out->headers[out->header_count++] = (struct tj_header){name, value};
}

/* -- grants --------------------------------------------------------------- */

const struct tj_grant tj_grant_all = {.access = TJ_ACCESS_ADMIN};

bool tj_grant_covers_all(const struct tj_grant *grant)
{
    return grant->experiment_count == 0;
}

bool tj_grant_covers(const struct tj_grant *grant, uint64_t experiment_id)
{
    for (size_t i = 0; i < grant->experiment_count; i++) {
        if (grant->experiments[i] == experiment_id)
            return true;
    }
    return tj_grant_covers_all(grant);
}
