"""mlflow_server - a small MLflow tracking server, strict, and bad when told.

SPDX-License-Identifier: Apache-2.0

Each test has a session: the first segment of the path, with a state of its
own.  POST /_control/SESSION changes it, GET /_log/SESSION shows it.  What a
real server would overlook is refused here: unknown members, a body without its
content type, a page over 500.

A fault: {"match": part of "METHOD path", "kind": ..., "times": n (1)}
    status:503[:SECONDS]  that answer (Retry-After), nothing done
    cut                   the connection ends, nothing done
    do-cut, do-half, do-html, do-huge, do-NNN  it is done, and the answer is lost
    half                  an answer that ends in the middle
    hold                  an answer that waits for {"release": true}
    garbage, html, huge, redirect, echo (of the login)
A lie: state.lies, a name each
    stuck                 each page of a search is the first, and its token the same
    endless               the same, and its token is new
    places                lists of experiments are empty, and do not end
    timeless              the times of traces are not told
    another               a trace is asked for, and the info of TRACE_2 given
"""
import base64
import calendar
import http.server
import json
import re
import sys
import threading
import time

SESSIONS, LOCK, GATES = {}, threading.RLock(), {}


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.body = status, {"error_code": code, "message": message}


def invalid(message):
    return Refused(400, "INVALID_PARAMETER_VALUE", message)


def absent(message):
    return Refused(404, "RESOURCE_DOES_NOT_EXIST", message)


class State:
    def __init__(self):
        self.version, self.auth, self.faults, self.log = "3.17.2", None, [], []
        self.old = False            # 3.0 to 3.5: no spans but artifacts, no OTLP, few clauses
        self.own_ids = False        # takes no assessment id from a client
        self.lies = []
        self.arrivals, self.departures = [], []  # after each search a list of each: traces as told, ids
        self.traces = {}            # id -> {"info", "spans" (REST), "artifact", "runs"}
        self.experiments = [("0", "Default"), ("1", "shop"), ("2", "bank")]
        self.scorers, self.otlp, self.count = [], [], 0

    def trace(self, trace_id):
        if trace_id not in self.traces:
            raise absent(f"Trace with ID '{trace_id}' not found.")
        return self.traces[trace_id]


def only(body, *names):
    """A request with a member that MLflow does not have is a mistake of ours."""
    for name in body:
        if name not in names:
            raise invalid(f"unknown member {name}")


# -- searching --------------------------------------------------------------


def like(pattern, text, flags=0):
    parts = [".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern]
    return re.fullmatch("".join(parts), text, re.S | flags) is not None


def millis(info):
    t = info["request_time"]
    whole = calendar.timegm(time.strptime(t[:19], "%Y-%m-%dT%H:%M:%S"))
    return whole * 1000 + int(t[20:23] or 0)


def text_test(op, value, text):
    if text is None:
        return False
    return {"=": text == value, "!=": text != value, "LIKE": like(value, text),
            "ILIKE": like(value, text, re.I)}[op]


def clause(state, text):
    """A function of a trace; what the server does not know is a 400."""
    m = re.fullmatch(r"attributes\.timestamp_ms (<=|<|>=|>|=|!=) (\d+)", text)
    if m:
        n = int(m[2])
        return lambda t: {"<=": millis(t["info"]) <= n, "<": millis(t["info"]) < n, ">": millis(t["info"]) > n,
                          ">=": millis(t["info"]) >= n, "=": millis(t["info"]) == n,
                          "!=": millis(t["info"]) != n}[m[1]]
    m = re.fullmatch(r"attributes\.(status|name|request_id|run_id) (=|!=|LIKE|ILIKE) '([^'\"\\]*)'", text)
    if m and not (state.old and m[2].endswith("LIKE")):
        if m[1] == "run_id":
            return lambda t: m[3] in t["runs"]
        get = {"status": lambda i: i["state"], "request_id": lambda i: i["trace_id"],
               "name": lambda i: i.get("tags", {}).get("mlflow.traceName")}[m[1]]
        return lambda t: text_test(m[2], m[3], get(t["info"]))
    m = re.fullmatch(r"tags\.`([^`]*)` (IS NULL|IS NOT NULL)", text)
    if m and not state.old:
        return lambda t: (m[1] in t["info"].get("tags", {})) == (m[2] == "IS NOT NULL")
    m = re.fullmatch(r"attributes\.request_id IN \(('[^']*'(?:, '[^']*')*)\)", text)
    if m:
        return lambda t: t["info"]["trace_id"] in re.findall(r"'([^']*)'", m[1])
    m = re.fullmatch(r"(tags|request_metadata)\.`([^`]*)` (=|!=|LIKE|ILIKE) '([^'\"\\]*)'", text)
    if m and not (state.old and m[3] != "="):
        where = "tags" if m[1] == "tags" else "trace_metadata"
        return lambda t: text_test(m[3], m[4], t["info"].get(where, {}).get(m[2]))
    raise invalid(f"Invalid clause(s) in filter string: '{text}'")


def span_clause(text):
    """A function of one span in the tracking store."""
    m = re.fullmatch(r"span\.(name|status) (=|LIKE|ILIKE) '([^'\"\\]*)'", text)
    if m:
        get = {"name": lambda s: s["name"], "status": lambda s: s["status"]["code"].removeprefix("STATUS_CODE_")}[m[1]]
        return lambda s: text_test(m[2], m[3], get(s))
    m = re.fullmatch(r"(?:trace\.text|span\.content) (LIKE|ILIKE) '([^'\"\\]*)'", text)
    return m and (lambda s: text_test(m[1], m[2], json.dumps(s)))


def meets(trace, tests):
    """All conditions on one span; a trace that came as an artifact has none here."""
    stored = trace["info"].get("tags", {}).get("mlflow.trace.spansLocation") == "TRACKING_STORE"
    return stored and any(all(f(s) for f in tests) for s in trace["spans"] or [])


def search(state, body):
    only(body, "locations", "filter", "max_results", "order_by", "page_token")
    if not body.get("locations"):
        raise invalid("Missing value for required parameter 'locations'.")
    if not 1 <= body.get("max_results", 100) <= 500:
        raise invalid("Invalid value for parameter 'max_results'")
    places = {p["mlflow_experiment"]["experiment_id"] for p in body["locations"]}
    clauses = body["filter"].split(" AND ") if body.get("filter") else []
    of_spans = [f for f in map(span_clause, clauses) if f and not state.old]
    tests = [clause(state, c) for c in clauses if state.old or not span_clause(c)]
    rows = [t["info"] for t in state.traces.values()
            if t["info"]["trace_location"]["mlflow_experiment"]["experiment_id"] in places
            and all(f(t) for f in tests) and (not of_spans or meets(t, of_spans))]
    rows.sort(key=lambda i: (-millis(i), i["trace_id"]))
    for order in body.get("order_by", []):
        key, word = order.split(" ")
        if key == "attributes.execution_time_ms":
            rows.sort(key=lambda i: float(i.get("execution_duration", "0s")[:-1]), reverse=word == "DESC")
        elif key == "attributes.timestamp_ms":
            rows.sort(key=millis, reverse=word == "DESC")
        elif order != "timestamp_ms DESC":
            raise invalid(f"Invalid order_by key '{key}'")
    token = body.get("page_token")
    lying = "stuck" in state.lies or "endless" in state.lies
    at = json.loads(base64.b64decode(token))["offset"] if token and not lying else 0
    end, lied = at + body.get("max_results", 100), {}
    if lying:
        state.count += 1
        lied = {"next_page_token": str(state.count) if "endless" in state.lies else "again"}
        at, end = 0, body.get("max_results", 100)
    out = {"traces": [{**i, "request_time": ""} for i in rows[at:end]] if "timeless" in state.lies else rows[at:end]}
    if len(rows[at:end]) == body.get("max_results", 100):
        out["next_page_token"] = base64.b64encode(json.dumps({"offset": end}).encode()).decode()
    return {**out, **lied}


def move_on(state):
    """What happens between two pages."""
    for trace in state.arrivals.pop(0) if state.arrivals else []:
        keep(state, trace)
    for trace_id in state.departures.pop(0) if state.departures else []:
        del state.traces[trace_id]


def keep(state, trace):
    state.traces[trace["info"]["trace_id"]] = {"spans": [], "artifact": None, "runs": [], **trace}


# -- assessments, scorers and the rest -----------------------------------------


def find(items, **wanted):
    return next((x for x in items if all(x[k] == v for k, v in wanted.items())), None)


def add_assessment(state, trace_id, body):
    only(body, "assessment")
    a = body["assessment"]
    only(a, "assessment_id", "assessment_name", "trace_id", "span_id", "source", "create_time", "last_update_time",
         "feedback", "expectation", "rationale", "metadata", "overrides", "valid")
    if set(a["source"]) != {"source_type", "source_id"} or ("feedback" in a) == ("expectation" in a):
        raise invalid("assessment without source or value")
    if any(not isinstance(v, str) for v in a.get("metadata", {}).values()):
        raise invalid("metadata values are strings")
    there = state.trace(trace_id)["info"].setdefault("assessments", [])
    if state.own_ids or "assessment_id" not in a:
        state.count += 1
        a["assessment_id"] = f"a-{state.count:032x}"
    elif find(there, assessment_id=a["assessment_id"]):
        raise Refused(500, "INTERNAL_ERROR", "constraint violation")
    if "overrides" in a:
        old = find(there, assessment_id=a["overrides"])
        if not old:
            raise absent(f"Assessment with ID '{a['overrides']}' not found")
        old["valid"] = False
    if isinstance(a.get("feedback", {}).get("value"), int) and not isinstance(a["feedback"]["value"], bool):
        a["feedback"]["value"] = float(a["feedback"]["value"])
    a["valid"] = True
    there.append(a)
    return {"assessment": a}


def one_assessment(state, method, trace_id, assessment_id, body):
    there = state.trace(trace_id)["info"].setdefault("assessments", [])
    old = find(there, assessment_id=assessment_id)
    if method == "DELETE":
        if old:
            there.remove(old)
            for a in there:
                a["valid"] = a["valid"] or a["assessment_id"] == old.get("overrides")
        return {}
    if not old:
        raise absent(f"Assessment with ID '{assessment_id}' not found")
    names = {"assessmentName": "assessment_name"}
    for path in body["update_mask"].split(","):
        key = names.get(path, path)
        if key in body["assessment"]:
            old[key] = body["assessment"][key]
    return {"assessment": old}


def register(state, body):
    only(body, "experiment_id", "name", "serialized_scorer")
    json.loads(body["serialized_scorer"])
    version = 1 + max([s["scorer_version"] for s in state.scorers if s["scorer_name"] == body["name"] and
                       s["experiment_id"] == int(body["experiment_id"])], default=0)
    state.scorers.append({"experiment_id": int(body["experiment_id"]), "scorer_name": body["name"],
                          "scorer_version": version, "serialized_scorer": body["serialized_scorer"],
                          "creation_time": 1777708800000 + version, "scorer_id": "s"})
    return {"version": version, "name": body["name"], "experiment_id": body["experiment_id"]}


def scorers(state, verb, query):
    mine = [s for s in state.scorers if str(s["experiment_id"]) == query["experiment_id"]]
    if verb == "list":
        return {"scorers": [s for s in mine if not any(o["scorer_name"] == s["scorer_name"] and o["scorer_version"] >
                                                       s["scorer_version"] for o in mine)]}
    mine = [s for s in mine if s["scorer_name"] == query["name"]]
    if not mine:
        raise absent(f"Scorer with name '{query['name']}' not found")
    if verb == "versions":
        return {"scorers": mine}
    version = int(query.get("version", mine[-1]["scorer_version"]))
    if not find(mine, scorer_version=version):
        raise absent("Scorer version not found")
    return {"scorer": find(mine, scorer_version=version)}


def experiment(state, **wanted):
    for number, name in state.experiments:
        if wanted.get("name", name) == name and wanted.get("number", number) == number:
            return {"experiment": {"experiment_id": number, "name": name, "lifecycle_stage": "active",
                                   "creation_time": 1777708800000, "tags": [{"key": "k", "value": "v"}]}}
    raise absent(f"Could not find experiment {wanted}")


def add_experiment(state, body):
    if any(name == body["name"] for _, name in state.experiments):
        raise Refused(400, "RESOURCE_ALREADY_EXISTS", "it exists")
    state.experiments.append((str(len(state.experiments)), body["name"]))
    return {"experiment_id": state.experiments[-1][0]}


def all_experiments(state, body):
    only(body, "max_results", "view_type", "page_token")
    if "places" in state.lies:
        return {"experiments": [], "next_page_token": "again"}
    at = int(body.get("page_token", 0))
    out = {"experiments": [experiment(state, number=n)["experiment"] for n, _ in state.experiments[at:at + 2]]}
    if at + 2 < len(state.experiments):
        out["next_page_token"] = str(at + 2)
    return out


def start_trace(state, body):
    info = body["trace"]["trace_info"]
    only(info, "trace_id", "client_request_id", "trace_location", "request_time", "execution_duration", "state",
         "request_preview", "response_preview", "trace_metadata", "tags")
    old = state.traces.setdefault(info["trace_id"], {"info": {"tags": {}}, "spans": [], "artifact": None, "runs": []})
    info["tags"] = {**old["info"]["tags"], **info.get("tags", {})}
    old["info"] = {**old["info"], **info}
    return {"trace": {"trace_info": old["info"]}}


def delete_traces(state, body):
    only(body, "experiment_id", "request_ids", "max_timestamp_millis", "max_traces")
    gone = [i for i, t in state.traces.items()
            if t["info"]["trace_location"]["mlflow_experiment"]["experiment_id"] == body["experiment_id"]
            and i in body.get("request_ids", [i]) and millis(t["info"]) <= body.get("max_timestamp_millis", 1 << 60)]
    for i in gone:
        del state.traces[i]
    return {"traces_deleted": len(gone)}


def set_tag(state, method, trace_id, body):
    tags = state.trace(trace_id)["info"].setdefault("tags", {})
    if method == "PATCH":
        tags[body["key"]] = body["value"]
    elif tags.pop(body["key"], None) is None:
        raise absent(f"No trace tag with key '{body['key']}'")
    return {}


def link(state, body):
    if len(body["trace_ids"]) > 100:
        raise invalid("Cannot link more than 100 traces to a run in a single request.")
    for i in body["trace_ids"]:
        state.trace(i)["runs"].append(body["run_id"])
    return {}


def whole_trace(state, query):
    if state.old:
        raise absent("Trace with ID 'get' not found.")
    t = state.trace(query["trace_id"])
    if t["spans"] is None:
        raise Refused(500, "INTERNAL_ERROR", "Trace data not stored in tracking store")
    return {"trace": {"trace_info": t["info"], "spans": t["spans"]}}


def artifact(state, query):
    t = state.trace(query["request_id"])
    if t["artifact"] is None:
        raise Refused(404, "NOT_FOUND", "Trace data not found for path=traces.json")
    return {"spans": t["artifact"]}


def route(state, method, path, query, body, headers):
    api3, api2 = "/api/3.0/mlflow/", "/api/2.0/mlflow/"
    fixed = {
        ("POST", api3 + "traces/search"): lambda: search(state, body),
        ("POST", api3 + "traces"): lambda: start_trace(state, body),
        ("GET", api3 + "traces/get"): lambda: whole_trace(state, query),
        ("POST", api2 + "traces/delete-traces"): lambda: delete_traces(state, body),
        ("POST", api2 + "traces/link-to-run"): lambda: link(state, body),
        ("POST", api2 + "experiments/search"): lambda: all_experiments(state, body),
        ("POST", api2 + "experiments/create"): lambda: add_experiment(state, body),
        ("GET", api2 + "experiments/get"): lambda: experiment(state, number=query["experiment_id"]),
        ("GET", api2 + "experiments/get-by-name"): lambda: experiment(state, name=query["experiment_name"]),
        ("GET", "/ajax-api/2.0/mlflow/get-trace-artifact"): lambda: artifact(state, query),
        ("POST", api3 + "scorers/register"): lambda: register(state, body),
        ("GET", api3 + "scorers/list"): lambda: scorers(state, "list", query),
        ("GET", api3 + "scorers/get"): lambda: scorers(state, "get", query),
        ("GET", api3 + "scorers/versions"): lambda: scorers(state, "versions", query),
    }
    if (method, path) in fixed:
        return fixed[method, path]()
    m = re.fullmatch(api3 + r"traces/([^/]+)", path)
    if m and method == "GET":
        asked = state.trace(m[1])
        return {"trace": {"trace_info": state.trace("tr-%032x" % 2)["info"] if "another" in state.lies else asked["info"]}}
    m = re.fullmatch(api3 + r"traces/([^/]+)/assessments", path)
    if m and method == "POST":
        return add_assessment(state, m[1], body)
    m = re.fullmatch(api3 + r"traces/([^/]+)/assessments/([^/]+)", path)
    if m and method in ("PATCH", "DELETE"):
        return one_assessment(state, method, m[1], m[2], body)
    m = re.fullmatch(api2 + r"traces/([^/]+)/tags", path)
    if m and method in ("PATCH", "DELETE"):
        return set_tag(state, method, m[1], body)
    if (method, path) == ("POST", "/v1/traces") and not state.old:
        if headers["content-type"] != "application/x-protobuf" or not headers.get("x-mlflow-experiment-id"):
            raise Refused(422, "INVALID", "OTLP without its headers")
        state.otlp.append({"experiment": headers["x-mlflow-experiment-id"], "body": base64.b64encode(body).decode()})
        return {}
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: two would wait for each other, 40 ms

    def log_message(self, *_):
        pass

    def send(self, status, body, content_type="application/json", length=None, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.close_connection = True

    def control(self, session, body):
        for key, value in json.loads(body).items():
            if key == "traces":
                for t in value:
                    keep(SESSIONS[session], t)
            elif key == "release":
                GATES.pop(session).set()
            else:
                assert hasattr(SESSIONS[session], key), key
                setattr(SESSIONS[session], key, value)
        self.send(200, {})

    def fault(self, state, what):
        for f in state.faults:
            if f["match"] in what and f.get("times", 1) > 0:
                f["times"] = f.get("times", 1) - 1
                return f["kind"]
        return ""

    def answer(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        path, _, query = self.path.partition("?")
        _, session, rest = (path + "/").split("/", 2)
        if session in ("_control", "_log"):
            name = rest.strip("/")
            with LOCK:
                SESSIONS.setdefault(name, State())
                if session == "_control":
                    self.control(name, raw)
                else:
                    self.send(200, {k: v for k, v in vars(SESSIONS[name]).items()})
            return
        self.held = None
        with LOCK:
            self.serve(SESSIONS.setdefault(session, State()), "/" + rest[:-1], query, raw)
            gate = GATES.setdefault(session, threading.Event()) if self.held else None
        if gate:
            gate.wait(60)
            self.send(*self.held)

    def serve(self, state, path, query, raw):
        what = f"{self.command} {path}"
        state.log.append(what)
        kind = self.fault(state, what)
        if kind.startswith("status:"):
            parts = kind.split(":")
            extra = {"Retry_After": parts[2]} if len(parts) > 2 else {}
            return self.send(int(parts[1]), {"error_code": "X", "message": "as\ntold"}, **extra)
        if kind == "cut":
            return self.cut()
        if kind == "echo":
            return self.send(400, f"who is {self.headers['Authorization']}?".encode(), "text/plain")
        if kind in ("garbage", "html", "huge", "redirect", "half"):
            return self.bad(kind)
        if state.auth and self.headers.get("Authorization") != state.auth:
            return self.send(401, b"You are not authenticated.", "text/plain")
        if path == "/version":
            return self.send(200, state.version.encode(), "text/plain")
        try:
            status, out = 200, self.done(state, path, query, raw)
        except Refused as e:
            status, out = e.status, e.body
        if kind == "do-cut":
            return self.cut()
        if path.endswith("traces/search"):
            move_on(state)
        if kind in ("do-html", "do-half", "do-huge"):
            return self.bad(kind[3:])
        if kind.startswith("do-"):
            return self.send(int(kind[3:]), {"error_code": "INTERNAL_ERROR", "message": "lost"})
        if kind == "hold":
            self.held = status, json.loads(json.dumps(out))
            return None
        if out is None:
            return self.send(404, b"<!doctype html><title>404</title>", "text/html")
        return self.send(status, out)

    def done(self, state, path, query, raw):
        body = raw
        if path != "/v1/traces":
            if raw and self.headers.get("content-type") != "application/json":
                raise invalid("Bad Request. Content-Type must be one of ['application/json'].")
            body = json.loads(raw) if raw else {}
        fields = {k: http.server.urllib.parse.unquote(v)
                  for k, _, v in (p.partition("=") for p in query.split("&") if p)}
        return route(state, self.command, http.server.urllib.parse.unquote(path), fields, body, self.headers)

    def bad(self, kind):
        if kind == "garbage":
            self.send(200, b'{"traces": [')
        elif kind == "html":
            self.send(200, b"<html>hello</html>", "text/html")
        elif kind == "redirect":
            self.send(302, b"", Location="http://127.0.0.1:1/")
        elif kind == "half":
            self.send(200, b'{"trace":', length=1000)
            self.cut()
        else:
            self.send(200, b'"' + b"x" * (65 << 20) + b'"')

    do_GET = do_POST = do_PATCH = do_DELETE = answer


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass                        # clients that go away are part of the tests


server = Server(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"port {server.server_address[1]}", flush=True)
sys.stdin.read()
