/* store_mlflow_call.c - one request to an MLflow server, and its retries.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A call is synchronous: it takes a lane (a loop and an HTTP client with open
 * connections), sends, and runs the loop until the answer is there.  Calls of
 * several threads have lanes of their own.
 *
 *     sent --2xx--------------------------------------> done
 *      |----404, 405, 501--> absent, or no such route
 *      |----400, 401, 403, 3xx, ...---------------------> failed
 *      |----408 429 500 502 503 504, no answer--> wait --> sent again
 *
 * The wait is what Retry-After says, or 0.5 s, 1 s, 2 s, ..., less up to a
 * quarter by chance.  A request that must not be done twice is not sent again
 * when it may have been done (TJ_E_UNCERTAIN); its caller looks.  A server
 * that never answered anything is not asked again: a wrong address is likelier
 * than one that will come up in seconds.
 */
#include "base/heap.h"
#include "base/limits.h"
#include "base/random.h"
#include "net/http_client.h"
#include "net/retry_after.h"
#include "store/store_mlflow_int.h"
#include "text/utf8.h"

enum {
    CONNECT_MS = 10000,
    WORDS_BYTES_MAX = 300, /* of a server's own message */
    HEADERS_MAX = 4,
};

/* -- lanes ----------------------------------------------------------------- */

struct tj_mlflow_lane {
    struct tj_mlflow_lane *next;
    struct tj_loop *loop;
    struct tj_http_client *client;
};

static void free_lane(struct tj_mlflow_lane *lane)
{
    tj_loop_close(lane->loop); /* and the client with it */
    tj_heap_free(lane);
}

static struct tj_mlflow_lane *new_lane(const struct tj_mlflow *m,
                                       struct tj_err *err)
{
    struct tj_mlflow_lane *lane = tj_heap_new(sizeof *lane);
    if (!tj_loop_open(&lane->loop, err) ||
        !tj_http_client_shared(lane->loop, &lane->client, err)) {
        free_lane(lane);
        return NULL;
    }
    if (m->ca_file.len)
        tj_http_client_trust(lane->client, m->ca_file);
    return lane;
}

static struct tj_mlflow_lane *take_lane(struct tj_mlflow *m, struct tj_err *err)
{
    (void)pthread_mutex_lock(&m->lock);
    struct tj_mlflow_lane *lane = m->idle;
    if (lane)
        m->idle = lane->next;
    (void)pthread_mutex_unlock(&m->lock);
    return lane ? lane : new_lane(m, err);
}

static void give_lane(struct tj_mlflow *m, struct tj_mlflow_lane *lane)
{
    (void)pthread_mutex_lock(&m->lock);
    lane->next = m->idle;
    m->idle = lane;
    (void)pthread_mutex_unlock(&m->lock);
}

void tj_mlflow_close_lanes(struct tj_mlflow *m)
{
    while (m->idle) {
        struct tj_mlflow_lane *lane = m->idle;
        m->idle = lane->next;
        free_lane(lane);
    }
}

/* -- one exchange ---------------------------------------------------------- */

struct exchange {
    struct tj_http_response response;
    bool done;
};

static void on_response(void *ctx, const struct tj_http_response *response)
{
    struct exchange *x = ctx;
    x->response = *response;
    x->done = true;
}

static void exchange(struct tj_mlflow *m, struct tj_mlflow_lane *lane,
                     const struct tj_mlflow_request *r, struct tj_arena *a,
                     struct tj_http_response *out)
{
    struct tj_header headers[HEADERS_MAX];
    size_t count = 0;
    headers[count++] = (struct tj_header){TJ_STR("Accept"), TJ_STR("*/*")};
    if (m->authorization.len)
        headers[count++] =
            (struct tj_header){TJ_STR("Authorization"), m->authorization};
    /* A DELETE has a body too. */
    if (r->body.len)
        headers[count++] = (struct tj_header){
            TJ_STR("Content-Type"),
            tj_str_c(r->content_type ? r->content_type : "application/json")};
    if (r->experiment_id.len)
        headers[count++] = (struct tj_header){TJ_STR("x-mlflow-experiment-id"),
                                              r->experiment_id};
    struct tj_http_request request = {
        .method = tj_str_c(r->method),
        .url = tj_str_printf(a, "%.*s%.*s", TJ_STR_ARG(m->base),
                             TJ_STR_ARG(r->path)),
        .headers = headers,
        .header_count = count,
        .body = r->body,
        .timeout_ms = m->timeout_ms,
        .connect_timeout_ms = CONNECT_MS,
        .body_bytes_max =
            r->bytes_max ? r->bytes_max : TJ_MLFLOW_REPLY_BYTES_MAX,
        .fresh = r->once,
    };
    struct exchange x = {.done = false};
    (void)tj_http_send(lane->client, &request, a, on_response, &x);
    tj_loop_run_until(lane->loop, &x.done);
    *out = x.response;
}

static void on_time(void *ctx)
{
    *(bool *)ctx = true;
}

static void wait_for(struct tj_mlflow_lane *lane, uint64_t ms)
{
    bool done = false;
    (void)tj_loop_after(lane->loop, ms, on_time, &done);
    tj_loop_run_until(lane->loop, &done);
}

/* -- what an answer means -------------------------------------------------- */

/* Some servers, and proxies, show what they were sent. */
static bool has_login(const struct tj_mlflow *m, tj_str text)
{
    tj_str login = m->authorization;
    (void)tj_str_cut(&login, ' '); /* "Bearer" */
    return login.len && tj_str_find(text, login) != (size_t)-1;
}

/* The server's own words, on one line. */
static tj_str words_of(const struct tj_mlflow *m, tj_str body,
                       struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    tj_str text = tj_str_trim(tj_str_slice(body, 0, 65536));
    if (tj_json_parse(text, a, &doc, &ignored)) {
        tj_str words = tj_json_find_str(doc.root, TJ_STR("message"));
        if (!words.len)
            words = tj_json_find_str(doc.root, TJ_STR("detail"));
        text = words.len ? words : text;
    }
    if (tj_str_starts(text, TJ_STR("<")))
        return TJ_STR("a page of HTML");
    tj_str line = tj_str_trim(tj_str_cut(&text, '\n'));
    if (has_login(m, line))
        return TJ_STR("words with the login in them");
    return tj_utf8_clip(tj_utf8_repair(a, line), WORDS_BYTES_MAX);
}

/* MLflow says so in JSON; a 404 of another kind is about the request. */
static bool says_absent(const struct tj_http_response *response,
                        struct tj_arena *a)
{
    struct tj_json_doc doc = {0};
    struct tj_err ignored = {0};
    if (response->status != 404 || response->body.len > 65536 ||
        !tj_json_parse(response->body, a, &doc, &ignored))
        return false;
    tj_str code = tj_json_find_str(doc.root, TJ_STR("error_code"));
    return tj_str_eq(code, TJ_STR("RESOURCE_DOES_NOT_EXIST")) ||
           tj_str_eq(code, TJ_STR("NOT_FOUND"));
}

static bool is_passing(const struct tj_http_response *response)
{
    static const int statuses[] = {408, 429, 500, 502, 503, 504};
    if (!response->ok)
        return response->err.code == TJ_E_IO || response->err.code == TJ_E_BUSY;
    for (size_t i = 0; i < TJ_COUNT(statuses); i++) {
        if (response->status == statuses[i])
            return true;
    }
    return false;
}

/* Could the server have done what it was asked, all the same?  With a success
 * that makes no sense, it did: the answer is not what it sent. */
static bool is_uncertain(const struct tj_http_response *response)
{
    int status = response->status;
    if (!response->ok)
        return response->request_sent;
    return status / 100 == 2 || status == 408 ||
           (status / 100 == 5 && status != 501);
}

static bool fail_login(const struct tj_mlflow *m,
                       const struct tj_http_response *response,
                       struct tj_arena *a, struct tj_err *err)
{
    tj_str words = words_of(m, response->body, a);
    if (response->status == 403)
        return tj_fail(err, TJ_E_AUTH, "%.*s does not allow this (403): %.*s",
                       TJ_STR_ARG(m->base), TJ_STR_ARG(words));
    if (m->authorization.len)
        return tj_fail(err, TJ_E_AUTH,
                       "%.*s refuses the %s from the environment (401)",
                       TJ_STR_ARG(m->base),
                       tj_str_starts(m->authorization, TJ_STR("Basic"))
                           ? "user name and password"
                           : "token");
    return tj_fail(err, TJ_E_AUTH,
                   "%.*s asks who you are (401): set MLFLOW_TRACKING_USERNAME "
                   "and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
                   TJ_STR_ARG(m->base));
}

static enum tj_code code_of(int status)
{
    if (status == 400 || status == 413 || status == 422)
        return TJ_E_INPUT;
    return status == 429 || status == 503 ? TJ_E_BUSY : TJ_E_BACKEND;
}

static bool fail_status(const struct tj_mlflow *m,
                        const struct tj_http_response *response,
                        struct tj_arena *a, struct tj_err *err)
{
    int status = response->status;
    if (status == 401 || status == 403)
        return fail_login(m, response, a, err);
    if (status >= 300 && status < 400)
        return tj_fail(err, TJ_E_BACKEND,
                       "%.*s answers with a redirect (%d), which is not "
                       "followed",
                       TJ_STR_ARG(m->base), status);
    return tj_fail(err, code_of(status), "%.*s answers %d: %.*s",
                   TJ_STR_ARG(m->base), status,
                   TJ_STR_ARG(words_of(m, response->body, a)));
}

static bool fail_exchange(const struct tj_mlflow *m,
                          const struct tj_http_response *response,
                          struct tj_err *err)
{
    enum tj_code code = response->err.code;
    if (code == TJ_E_IO || code == TJ_E_BUSY)
        code = TJ_E_NETWORK;
    return tj_fail(err, code, "%.*s: %s", TJ_STR_ARG(m->base),
                   response->err.message);
}

static bool take_answer(const struct tj_mlflow *m,
                        const struct tj_mlflow_request *r,
                        const struct tj_http_response *response,
                        struct tj_arena *a, struct tj_mlflow_reply *out,
                        struct tj_err *err)
{
    int status = response->status;
    struct tj_mlflow_reply reply = {.body = response->body};
    if (!response->ok)
        return fail_exchange(m, response, err);
    if (status == 404 || status == 405 || status == 501) {
        reply.absent = says_absent(response, a);
        reply.no_route = !reply.absent;
        *out = reply;
        return true;
    }
    if (status < 200 || status >= 300)
        return fail_status(m, response, a, err);
    if (r->form == TJ_MLFLOW_JSON) {
        struct tj_json_doc doc = {0};
        if (!tj_json_parse(response->body, a, &doc, err)) {
            err->code = TJ_E_BACKEND;
            return tj_err_wrap(err, "%.*s does not answer as MLflow does",
                               TJ_STR_ARG(m->base));
        }
        reply.root = doc.root;
        reply.repaired = doc.repaired;
    }
    *out = reply;
    return true;
}

/* -- the call -------------------------------------------------------------- */

static uint64_t wait_ms(const struct tj_mlflow *m,
                        const struct tj_http_response *response, uint32_t n)
{
    uint64_t told = 0;
    if (response->ok && tj_retry_after_ms(response, tj_now(), &told))
        return told < TJ_MLFLOW_RETRY_AFTER_MS_MAX
                   ? told
                   : TJ_MLFLOW_RETRY_AFTER_MS_MAX;
    uint64_t ms = m->retry_ms << (n < 6 ? n : 6);
    return ms - tj_random_u64() % (ms / 4 + 1);
}

static bool run(struct tj_mlflow *m, struct tj_mlflow_lane *lane,
                const struct tj_mlflow_request *r, struct tj_arena *a,
                struct tj_mlflow_reply *out, struct tj_err *err)
{
    for (uint32_t n = r->attempt;; n++) {
        struct tj_http_response response;
        exchange(m, lane, r, a, &response);
        if (response.ok)
            atomic_store(&m->reached, true);
        bool passing = is_passing(&response);
        bool uncertain = r->once && is_uncertain(&response);
        bool last = n >= TJ_MLFLOW_RETRIES || !atomic_load(&m->reached);
        if (!passing || uncertain || last) {
            if (take_answer(m, r, &response, a, out, err))
                return true;
            if (uncertain)
                err->code = TJ_E_UNCERTAIN;
            if (last || !(passing || uncertain))
                return false;
        }
        wait_for(lane, wait_ms(m, &response, n));
        if (uncertain)
            return false;
    }
}

/* An id that is such a step would ask for something else. */
static bool check_path(tj_str path, struct tj_err *err)
{
    path = tj_str_cut(&path, '?');
    while (path.len) {
        tj_str step = tj_str_cut(&path, '/');
        if (tj_str_eq(step, TJ_STR(".")) || tj_str_eq(step, TJ_STR("..")))
            return tj_fail(err, TJ_E_INPUT,
                           "an MLflow server cannot be asked for the id '%.*s'",
                           TJ_STR_ARG(step));
    }
    return true;
}

bool tj_mlflow_call(struct tj_mlflow *m, const struct tj_mlflow_request *r,
                    struct tj_arena *a, struct tj_mlflow_reply *out,
                    struct tj_err *err)
{
    struct tj_mlflow_lane *lane =
        check_path(r->path, err) ? take_lane(m, err) : NULL;
    if (!lane)
        return false;
    bool ok = run(m, lane, r, a, out, err);
    give_lane(m, lane);
    return ok;
}

bool tj_mlflow_ask(struct tj_mlflow *m, const struct tj_mlflow_request *r,
                   struct tj_arena *a, const struct tj_json **root,
                   struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    if (!tj_mlflow_call(m, r, a, &reply, err))
        return false;
    tj_str path = r->path;
    path = tj_str_cut(&path, '?');
    if (reply.no_route)
        return tj_fail(err, TJ_E_BACKEND,
                       "%.*s is no MLflow server of version 3.2 or newer: it "
                       "does not know %.*s",
                       TJ_STR_ARG(m->base), TJ_STR_ARG(path));
    if (reply.absent)
        return tj_fail(err, TJ_E_BACKEND, "%.*s: %.*s", TJ_STR_ARG(m->base),
                       TJ_STR_ARG(words_of(m, reply.body, a)));
    *root = reply.root;
    return true;
}

bool tj_mlflow_may_write(const struct tj_mlflow *m, struct tj_err *err)
{
    return !m->read_only ||
           tj_fail(err, TJ_E_INPUT, "the store was opened to read only");
}

bool tj_mlflow_version(struct tj_mlflow *m, struct tj_arena *a, tj_str *out,
                       struct tj_err *err)
{
    struct tj_mlflow_reply reply = {0};
    struct tj_mlflow_request request = {.method = "GET",
                                        .path = TJ_STR("/version"),
                                        .bytes_max = 4096,
                                        .form = TJ_MLFLOW_BYTES};
    if (!tj_mlflow_call(m, &request, a, &reply, err))
        return false;
    tj_str text = tj_str_trim(reply.body);
    bool sane = !reply.no_route && !reply.absent && text.len && text.len < 64;
    for (size_t i = 0; sane && i < text.len; i++)
        sane = text.ptr[i] > ' ' && text.ptr[i] < 0x7f && text.ptr[i] != '<';
    if (!sane)
        return tj_fail(err, TJ_E_BACKEND,
                       "%.*s is no MLflow server: it does not say its version",
                       TJ_STR_ARG(m->base));
    *out = text;
    return true;
}
