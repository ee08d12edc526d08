/* fuzz_reply.c - any bytes as an HTTP response of a model.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The first byte picks the dialect and the status.  A reply must come out
 * whole: an error has a message, raw is JSON, and asking again with it works.
 */
#include <assert.h>

#include "base/limits.h"
#include "llm/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_again(const struct tj_dialect *dialect,
                      const struct tj_wire *wire, const struct tj_reply *reply,
                      struct tj_arena *a)
{
    struct tj_message messages[2] = {
        {.role = TJ_ROLE_USER, .text = TJ_STR("judge")}, reply->message};
    struct tj_ask ask = {.messages = messages, .message_count = 2};
    struct tj_buf out;
    struct tj_err err;
    struct tj_json_doc doc;
    tj_buf_init(&out, a, TJ_MODEL_REQUEST_BYTES_MAX);
    if (!dialect->request(wire, &ask, &out, &err))
        return;
    bool ok = tj_json_parse(tj_buf_str(&out), a, &doc, &err);
    assert(ok || err.code == TJ_E_LIMIT); /* nested deeper than we read */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tj_dialect *const dialects[] = {
        &tj_dialect_openai_chat, &tj_dialect_openai_responses,
        &tj_dialect_anthropic};
    static const int statuses[] = {200, 400, 429, 500};
    if (size == 0)
        return 0;
    struct tj_arena a = {0};
    struct tj_wire wire = {.model = TJ_STR("m")};
    struct tj_reply reply;
    const struct tj_dialect *dialect = dialects[data[0] % 3];
    tj_str body = tj_str_make((const char *)data + 1, size - 1);
    tj_wire_reply(dialect, &wire, statuses[data[0] / 3 % 4], body, &a, &reply);
    if (reply.error == TJ_LLM_NONE) {
        assert(reply.stop != TJ_STOP_ERROR);
        ask_again(dialect, &wire, &reply, &a);
    } else {
        assert(reply.stop == TJ_STOP_ERROR);
        assert(reply.error_message.len > 0);
        assert(tj_str_find_byte(reply.error_message, '\n') == (size_t)-1);
    }
    tj_arena_release(&a);
    return 0;
}
