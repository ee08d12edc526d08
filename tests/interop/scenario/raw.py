"""raw - requests as no client sends them: what a server makes of odd but legal JSON.

SPDX-License-Identifier: Apache-2.0

Missing and null members, numbers as strings, unknown members, both spellings, limits, ids of nothing.
"""
import base64
import concurrent.futures
import json

import mlflow
import requests
from record import step
from scenario.common import BASE_MS, chosen, experiment

MISSING = "0" * 32
TOKEN_5 = base64.b64encode(b'{"offset": 5}').decode()


class Raw:
    """ask("POST", "2.0/mlflow/x", {...}) gives [status, JSON]."""

    def __init__(self, s):
        self.s = s

    def ask(self, method, path, body=None, **query):
        more = {"data": body} if isinstance(body, (str, bytes)) else {"json": body}
        headers = {"Content-Type": "application/json"} if isinstance(body, (str, bytes)) else {}
        answer = requests.request(method, f"{self.s.uri}/api/{path}", params=query or None, headers=headers, timeout=60, **more)
        try:
            found = answer.json()
        except ValueError:
            found = "<no JSON>"
        if isinstance(found, dict) and "error_code" in found:
            found = {k: v for k, v in found.items() if k in ("error_code", "message")}
        return [answer.status_code, found]

    def note(self, label, method, path, body=None, view=None, **query):
        """Notes the answer, or view of its JSON when it is 200; returns the JSON."""
        status, found = self.ask(method, path, body, **query)
        self.s.note(label, [status, view(found) if view and status == 200 else found])
        return found

    def each(self, method, path, bodies, view=None):
        for label, body in bodies.items():
            self.note(label, method, path, body, view)


def made(s, raw, name, **more):
    found = raw.ask("POST", "2.0/mlflow/experiments/create", {"name": name, **more})[1]
    return s.name_experiment(found["experiment_id"], name)


def only(*names):
    return lambda found: {k: found[k] for k in names if k in found}


# -- experiments ------------------------------------------------------------------------------------------


@step
def raw_experiments(s):
    """Experiments: odd names, tags, locations, ids."""
    raw, at = Raw(s), "2.0/mlflow/experiments/"

    def create(label, body, named=None):
        status, found = raw.ask("POST", at + "create", body)
        if status == 200:
            s.name_experiment(found["experiment_id"], named or label)
        s.note(label, [status, found])
        return found.get("experiment_id") if isinstance(found, dict) else None

    for label, body in {
            "empty body": "", "not JSON": "{", "null": "null", "a list": "[]", "a number": "5",
            "JSON in a string": json.dumps('{"name": "raw twice"}'),
            "no name": {}, "null name": {"name": None}, "empty name": {"name": ""}, "space": {"name": " "},
            "unknown members": {"name": "raw unknown", "color": "red", "deep": {"a": 1}}, "name 500": {"name": "n" * 500},
            "name 501": {"name": "n" * 501}, "name of 500 wide": {"name": "ж" * 500}, "tags": {"name": "raw tags",
            "tags": [{"key": "a", "value": "1"}]},
            "tag without value": {"name": "raw tag no value", "tags": [{"key": "a"}]},
            "tag without key": {"name": "raw tag no key", "tags": [{"value": "a"}]}, "null tags": {"name": "raw null tags",
            "tags": None},
            "tag of null": {"name": "raw tag null", "tags": [{"key": "a", "value": None}]},
            "number as tag": {"name": "raw tag number", "tags": [{"key": "a", "value": 5}]},
            "tags as a map": {"name": "raw tag map", "tags": {"a": "b"}}, "bad tag key": {"name": "raw bad tag",
            "tags": [{"key": "a\nb", "value": ""}]},
            "tag key up": {"name": "raw up", "tags": [{"key": "../a", "value": ""}]},
            "location with #": {"name": "raw #", "artifact_location": "mlflow-artifacts:/x#y"},
            "location of its own": {"name": "raw own", "artifact_location": "mlflow-artifacts:/own"},
            "camel case": {"name": "raw camel", "artifactLocation": "mlflow-artifacts:/camel"},
    }.items():
        create(label, body)
    here = create("here", {"name": "raw here", "tags": [{"key": "k", "value": "v"}]})
    for name in ("raw own", "raw camel", "raw tag no value", "raw tag null", "ж" * 500, " ", "raw null tags"):
        raw.note(f"by name {name[:20]}", "GET", at + "get-by-name", experiment_name=name)
    for label, query in {"no id": {}, "empty": {"experiment_id": ""},
                         "zeros": {"experiment_id": "000"}, "fraction": {"experiment_id": "0.0"},
                         "too big": {"experiment_id": "9" * 30}, "int64": {"experiment_id": str(2**63)},
                         "unknown too": {"experiment_id": "0", "color": "red"}}.items():
        raw.note(f"get, {label}", "GET", at + "get", **query)
    raw.note("by name, no name", "GET", at + "get-by-name")
    raw.each("POST", at + "set-experiment-tag", {
        "tag, nothing": {}, "tag, no key": {"experiment_id": here, "value": "x"}, "tag, no value": {"experiment_id": here,
        "key": "no value"},
        "tag, null value": {"experiment_id": here, "key": "null value", "value": None}, "tag, empty value": {"experiment_id": here,
        "key": "empty", "value": ""},
        "tag, empty key": {"experiment_id": here, "key": "", "value": "x"}, "tag, key 250": {"experiment_id": here,
        "key": "k" * 250, "value": "x"},
        "tag, key 251": {"experiment_id": here, "key": "k" * 251, "value": "x"}, "tag, value 5000": {"experiment_id": here,
        "key": "long", "value": "x" * 5000},
        "tag, value 20001": {"experiment_id": here, "key": "too long", "value": "x" * 20001},
        "tag, n": {"experiment_id": here, "key": "n", "value": "5"}, "tag, again": {"experiment_id": here, "key": "k",
        "value": "w"},
        "tag, unicode key": {"experiment_id": here, "key": "ж 漢", "value": "🎈"}, "tag, emoji key": {"experiment_id": here,
        "key": "🎈", "value": "x"},
        "tag, dots": {"experiment_id": here, "key": "a/../b", "value": "x"}})
    raw.each("POST", at + "delete-experiment-tag", {
        "untag, nothing": {}, "untag, no key": {"experiment_id": here}, "untag": {"experiment_id": here, "key": "k"},
        "untag again": {"experiment_id": here, "key": "k"}, "untag, missing experiment": {"experiment_id": "987654321",
        "key": "k"}})
    raw.each("POST", at + "update", {
        "rename, nothing": {}, "rename, no name": {"experiment_id": here}, "rename, null": {"experiment_id": here,
        "new_name": None},
        "rename, empty": {"experiment_id": here, "new_name": ""}, "rename, 501": {"experiment_id": here, "new_name": "r" * 501},
        "rename, itself": {"experiment_id": here, "new_name": "raw here"}, "rename, default": {"experiment_id": "0",
        "new_name": "Default"}})
    raw.note("read", "GET", at + "get", experiment_id=here)
    raw.each("POST", at + "delete", {"delete, nothing": {}, "delete, word": {"experiment_id": "abc"},
        "delete": {"experiment_id": here}})
    raw.note("untag a deleted one", "POST", at + "delete-experiment-tag", {"experiment_id": here, "key": "n"})
    raw.note("by name, deleted", "GET", at + "get-by-name", view=lambda f: f["experiment"]["lifecycle_stage"],
        experiment_name="raw here")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: raw.ask("POST", at + "create", {"name": "raw race"})[0], range(8)))
    s.note("one of eight", [found.count(200), found.count(400)])
    for method, path in (("PUT", "create"), ("GET", "create"), ("POST", "get"), ("POST", "get-by-name"), ("DELETE", "delete"),
        ("POST", "nothing")):
        s.note(f"{method} {path}", raw.ask(method, at + path, {})[0])


@step
def raw_experiments_search(s):
    """Search of experiments: limits, tokens, views, filters."""
    raw, at = Raw(s), "2.0/mlflow/experiments/search"
    for n in range(4):
        made(s, raw, f"raw find {n}", tags=[{"key": "n", "value": str(n)}])
    raw.ask("POST", "2.0/mlflow/experiments/delete", {"experiment_id": made(s, raw, "raw find gone")})

    def view(found):
        return [[e["name"] for e in found.get("experiments", [])], "next_page_token" in found]

    base = {"filter": "name LIKE 'raw find%'", "max_results": 100, "order_by": ["name ASC"]}
    changes = {
        "plain": {}, "no max": {"max_results": None}, "max 0": {"max_results": 0}, "max -1": {"max_results": -1},
        "max as text": {"max_results": "3"},
        "max 50000": {"max_results": 50000}, "max 50001": {"max_results": 50001}, "max word": {"max_results": "abc"},
        "max 1.5": {"max_results": 1.5},
        "max 2.0": {"max_results": 2.0}, "max true": {"max_results": True}, "max too big": {"max_results": 2**64},
        "view 1": {"view_type": 1},
        "view 2": {"view_type": 2}, "view 3": {"view_type": "3"}, "view all": {"view_type": "ALL"},
        "null view": {"view_type": None}, "null filter": {"filter": None, "max_results": 2, "order_by": ["experiment_id ASC"]},
        "empty filter": {"filter": "", "max_results": 1, "order_by": ["experiment_id ASC"]},
        "number as filter": {"filter": 5}, "no order": {"order_by": []},
        "order empty": {"order_by": [""]}, "order twice": {"order_by": ["name", "name"]},
        "order both": {"order_by": ["name", "name DESC"]},
        "order desc": {"order_by": ["name desc"]}, "order attribute": {"order_by": ["attributes.name DESC"]},
        "order of tag": {"order_by": ["tags.n DESC"]},
        "order update": {"order_by": ["last_update_time ASC"]}, "bad token": {"page_token": "!"}, "empty token": {"page_token": ""},
        "token of nothing": {"page_token": base64.b64encode(b"{}").decode()},
        "token no JSON": {"page_token": base64.b64encode(b"abc").decode()},
        "token far": {"page_token": TOKEN_5}, "token 1": {"page_token": base64.b64encode(b'{"offset": 1}').decode()},
        "token text": {"page_token": base64.b64encode(b'{"offset": "1"}').decode()},
        "unknown": {"color": "red"},
    }
    for text in ("name = 'raw find 1'", "name != 'raw find 1'", "name ILIKE 'RAW FIND%'", "name LIKE 'raw find _'",
        "name LIKE '%''%' AND name LIKE 'raw find%'",
        "tags.n = '1'", "tags.`n` = '1'", "tag.n != '1'", "tags.n LIKE '%'",
                 "tags.n IS NULL", "tags.n IS NOT NULL", "tags.\"n\" = '2'", "creation_time > 0 AND name LIKE 'raw find%'",
                 "creation_time > '0'", "name IN ('raw find 1', 'raw find 2')",
                 "experiment_id = '0'", "experiment_id IN ('0')", "experiment_id = 0", "experiment_id > '0'",
                 "attribute.name = 'raw find 1'", "name = 'raw find 1' OR name = 'raw find 2'", "NOT name = 'x'",
                 "(name = 'raw find 1')", "name = \"raw find 1\"", "name='raw find 1'", "name = find", "name > 'a'",
                 "name = 'raw find 1' AND",
                 "params.a = 'b'", "metrics.a > 1", "name IS NULL",
                 "last_update_time >= 0 AND name = 'raw find 3'", "tags.n IN ('1')",
                 "name = 'raw find 1' and name LIKE 'raw find%'",
                 "lifecycle_stage = 'active'", "name LIKE"):
        changes[f"filter {text}"] = {"filter": text}
    for label in ("filter name != 'raw find 1'", "filter tags.n IS NULL"):
        changes[label]["filter"] += " AND name LIKE 'raw find%'"
    for label, change in changes.items():
        raw.note(label, "POST", at, {**base, **change}, view)
    raw.note("nothing", "POST", at, {}, lambda f: sorted(f))
    raw.note("GET", "GET", at, None, view, filter="name LIKE 'raw find%'", max_results="2", order_by="name ASC")
    raw.note("GET, word", "GET", at, max_results="abc")
    raw.note("GET, view", "GET", at, None, view, filter="name LIKE 'raw find%'", max_results="10", order_by="name",
        view_type="DELETED_ONLY")


# -- runs -------------------------------------------------------------------------------------------------


@step
def raw_runs(s):
    """Runs: odd bodies, what is logged, inputs and outputs."""
    raw, at = Raw(s), "2.0/mlflow/runs/"
    here = made(s, raw, "raw runs")

    def create(label, **more):
        status, found = raw.ask("POST", at + "create", {"experiment_id": here, **more})
        if status == 200:
            s.name(found["run"]["info"]["run_id"], f"run {label}")
        s.note(label, [status, found])
        return found["run"]["info"]["run_id"] if status == 200 else None

    r = create("plain")
    create("all", run_name="named", user_id="ann", start_time=BASE_MS, tags=[{"key": "a", "value": "1"}])
    create("null members", run_name=None, user_id=None, start_time=None, tags=None)
    create("time as text", start_time=str(BASE_MS))
    create("time word", start_time="abc")
    create("time negative", start_time=-5)
    create("empty name", run_name="", start_time=1)
    create("name by tag", tags=[{"key": "mlflow.runName", "value": "by tag"}])
    create("names differ", run_name="a", tags=[{"key": "mlflow.runName", "value": "b"}])
    create("tag without value", tags=[{"key": "a"}], run_name="t")
    create("bad tag", tags=[{"key": "a\tb", "value": "x"}], run_name="t")
    create("tag 8001", tags=[{"key": "a", "value": "x" * 8001}], run_name="t")
    create("long name", run_name="n" * 300)
    create("no experiment", experiment_id=None, run_name="x")
    create("experiment word", experiment_id="abc")
    for label, query in {"nothing": {}, "empty": {"run_id": ""}, "uuid": {"run_uuid": r},
        "both": {"run_id": MISSING, "run_uuid": r}, "short": {"run_id": "abc"}}.items():
        raw.note(f"get, {label}", "GET", at + "get", view=lambda f: f["run"]["info"]["run_id"], **query)
    raw.each("POST", at + "update", {
        "update, nothing": {}, "update, only id": {"run_id": r}, "update, status 3": {"run_id": r, "status": 3},
        "update, status text 4": {"run_id": r, "status": "4"}, "update, status 9": {"run_id": r, "status": 9},
        "update, end as text": {"run_id": r, "end_time": "77"}, "update, end 0": {"run_id": r, "end_time": 0},
        "update, end null": {"run_id": r, "end_time": None, "status": "KILLED"},
        "update, empty name": {"run_id": r, "run_name": ""}, "update, long name": {"run_id": r, "run_name": "u" * 300},
        "update, null status": {"run_id": r, "status": None}},
        view=lambda f: {k: v for k, v in f["run_info"].items() if k in ("status", "end_time", "run_name", "lifecycle_stage")})
    metric = {"run_id": r, "key": "m", "value": 1.5, "timestamp": BASE_MS, "step": 0}
    raw.each("POST", at + "log-metric", {
        f"metric, {label}": {k: v for k, v in {**metric, **change}.items() if v != "gone"} for label, change in {
            "plain": {}, "no step": {"step": "gone", "key": "no step"}, "value text": {"value": "2.5", "key": "text"},
            "value NaN": {"value": "NaN", "key": "nan"}, "value Infinity": {"value": "Infinity", "key": "inf"},
            "value -Infinity": {"value": "-Infinity", "key": "minf"}, "value word": {"value": "abc"}, "value null": {"value": None},
            "value huge": {"value": 1e308, "key": "huge"},
            "step text": {"step": "3", "key": "st"}, "step -1": {"step": -1, "key": "neg"}, "timestamp text": {"timestamp": "5",
            "key": "tt"},
            "timestamp -1": {"timestamp": -1}, "timestamp null": {"timestamp": None}, "key 250": {"key": "k" * 250},
            "key 251": {"key": "k" * 251}, "key slash": {"key": "a/b"},
            "key up": {"key": "../a"}, "key dot": {"key": "."}, "key slash end": {"key": "a/"}, "key unicode": {"key": "ж"},
            "key odd": {"key": "a%b"}, "no key": {"key": None}, "empty key": {"key": ""}, "no run": {"run_id": None},
            "camel": {"run_id": None, "runId": r, "key": "camel"}, "uuid": {"run_id": None, "run_uuid": r, "key": "uuid"},
            "earlier step": {"step": -5, "value": 9}, "same again": {}, "model nobody": {"key": "mm",
            "model_id": "m-" + MISSING}}.items()})
    raw.each("POST", at + "log-parameter", {
        f"param, {label}": {"run_id": r, **change} for label, change in {
            "plain": {"key": "p", "value": "1"}, "again": {"key": "p", "value": "1"}, "changed": {"key": "p", "value": "2"},
            "empty": {"key": "e", "value": ""},
            "no value": {"key": "nv"}, "null": {"key": "null", "value": None}, "6000": {"key": "long", "value": "x" * 6000},
            "6001": {"key": "longer", "value": "x" * 6001}, "no key": {"value": "x"}, "key 251": {"key": "k" * 251, "value": "x"},
            "bad key": {"key": "a#b", "value": "x"}}.items()})
    raw.each("POST", at + "set-tag", {
        f"tag, {label}": {"run_id": r, **change} for label, change in {
            "plain": {"key": "t", "value": "1"}, "again": {"key": "t", "value": "2"}, "no value": {"key": "nv"},
            "null": {"key": "null", "value": None}, "empty": {"key": "e", "value": ""}, "8001": {"key": "long",
            "value": "x" * 8001},
            "key 251": {"key": "k" * 251, "value": "x"}, "name": {"key": "mlflow.runName", "value": "by set-tag"},
            "empty name": {"key": "mlflow.runName", "value": ""}, "no key": {"value": "x"}}.items()})
    raw.each("POST", at + "delete-tag", {"untag": {"run_id": r, "key": "t"}, "untag again": {"run_id": r, "key": "t"},
        "untag, no key": {"run_id": r}, "untag name": {"run_id": r, "key": "mlflow.runName"}})
    raw.note("read", "GET", at + "get", run_id=r)
    raw.each("POST", at + "log-batch", {
        f"batch, {label}": {"run_id": r, **change} for label, change in {
            "nothing": {}, "metrics no list": {"metrics": {"a": 1}}, "metric no value": {"metrics": [{"key": "a", "timestamp": 1}]},
            "metric bad": {"metrics": [{"key": "a", "value": 1, "timestamp": 1, "step": 0}, {"key": "b", "value": "x",
            "timestamp": 1, "step": 0}]}, "params twice": {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]},
            "params differ": {"params": [{"key": "dd", "value": "1"}, {"key": "dd", "value": "2"}]},
            "tags twice": {"tags": [{"key": "d", "value": "1"}, {"key": "d", "value": "2"}]},
            "param changed": {"params": [{"key": "p", "value": "9"}]},
            "1000 metrics": {"metrics": [{"key": f"b{n}", "value": n, "timestamp": 1, "step": 0} for n in range(1000)]},
            "1001 metrics": {"metrics": [{"key": f"c{n}", "value": n, "timestamp": 1, "step": 0} for n in range(1001)]},
            "101 tags": {"tags": [{"key": f"t{n}", "value": ""} for n in range(101)]},
            "1050 together": {"metrics": [{"key": f"e{n}", "value": n, "timestamp": 1, "step": 0} for n in range(960)],
            "tags": [{"key": f"t{n}", "value": ""} for n in range(90)]},
            "text for metrics": {"metrics": "abc"}, "list of null": {"tags": [None]}, "tag without key": {"tags": [{"value": "x"}]},
            "param without value": {"params": [{"key": "pv"}]}, "many of one": {"metrics": [{"key": "one", "value": n,
            "timestamp": 1, "step": n} for n in range(20)]}}.items()})
    r2 = create("inputs", run_name="inputs", start_time=1)
    data = {"name": "d", "digest": "x1", "source_type": "t", "source": "s"}
    raw.each("POST", at + "log-inputs", {
        f"inputs, {label}": {"run_id": r2, **change} for label, change in {
            "nothing": {}, "null": {"datasets": None}, "plain": {"datasets": [{"dataset": data,
            "tags": [{"key": "mlflow.data.context", "value": "eval"}]}]}, "again": {"datasets": [{"dataset": data}]},
            "all": {"datasets": [{"dataset": {**data, "digest": "x2", "schema": "{}", "profile": ""}, "tags": []}]},
            "no name": {"datasets": [{"dataset": {"digest": "a"}}]},
            "no source": {"datasets": [{"dataset": {"name": "a", "digest": "a"}}]},
            "digest 37": {"datasets": [{"dataset": {**data, "digest": "d" * 37}}]},
            "name 501": {"datasets": [{"dataset": {**data, "name": "d" * 501}}]},
            "tag no key": {"datasets": [{"dataset": {**data, "digest": "x3"}, "tags": [{"value": "x"}]}]},
            "no list": {"datasets": {}}, "model": {"models": [{"model_id": "m-" + MISSING}]},
            "model without id": {"models": [{}]}}.items()})
    raw.note("read inputs", "GET", at + "get", view=lambda f: sorted((d["dataset"]["name"], d["dataset"]["digest"],
        d.get("tags")) for d in f["run"]["inputs"].get("dataset_inputs", [])), run_id=r2)
    raw.note("get-history, nothing", "GET", "2.0/mlflow/metrics/get-history")
    for label, query in {"one": {}, "two": {"max_results": "2"}, "zero": {"max_results": "0"}, "minus": {"max_results": "-1"},
        "missing": {"metric_key": "nobody"}, "missing run": {"run_id": MISSING}, "no key": {"metric_key": ""},
                         "bad token": {"page_token": "!"}, "word": {"max_results": "abc"}}.items():
        raw.note(f"history, {label}", "GET", "2.0/mlflow/metrics/get-history",
            view=lambda f: [[m["value"] for m in f.get("metrics", [])], "next_page_token" in f], **{"run_id": r,
                "metric_key": "one", **query})
    raw.each("POST", at + "delete", {"delete, nothing": {}, "delete": {"run_id": r}, "delete again": {"run_id": r}})
    raw.note("log to a deleted one", "POST", at + "log-metric", metric)
    raw.note("untag a deleted one", "POST", at + "delete-tag", {"run_id": r, "key": "e"})
    raw.note("update a deleted one", "POST", at + "update", {"run_id": r, "status": "FINISHED"})
    raw.note("inputs of a deleted one", "POST", at + "log-inputs", {"run_id": r, "datasets": [{"dataset": data}]})
    raw.each("POST", at + "restore", {"restore": {"run_id": r}, "restore again": {"run_id": r}, "restore, nothing": {}})


@step
def raw_runs_search(s):
    """Search of runs: limits, tokens, filters, orders."""
    raw, at = Raw(s), "2.0/mlflow/runs/"
    here, there = made(s, raw, "raw search runs"), made(s, raw, "raw search runs there")
    for n, place in enumerate((here, here, here, there)):
        found = raw.ask("POST", at + "create", {"experiment_id": place, "run_name": f"r{n}", "start_time": BASE_MS + n,
            "user_id": "ann" if n else "bob"})[1]
        r = s.name(found["run"]["info"]["run_id"], f"run r{n}")
        raw.ask("POST", at + "log-batch", {"run_id": r, "metrics": [{"key": "m", "value": [1, "NaN", 3, 2][n], "timestamp": 1,
            "step": 0}], "params": [{"key": "p", "value": str(n)}] if n else [],
                                           "tags": [{"key": "k a", "value": "A" if n % 2 else "a"}]})
        raw.ask("POST", at + "log-inputs", {"run_id": r, "datasets": [{"dataset": {"name": f"d{n}", "digest": f"x{n}",
            "source_type": "t", "source": "s"}, "tags": [{"key": "mlflow.data.context", "value": "eval"}] if n else []}]})

    def view(found):
        return [[r["info"]["run_name"] for r in found.get("runs", [])], "next_page_token" in found]

    base = {"experiment_ids": [here, there], "order_by": ["start_time ASC"]}
    changes = {
        "plain": {}, "no experiments": {"experiment_ids": None}, "none": {"experiment_ids": []},
        "twice": {"experiment_ids": [here, here]},
        "missing": {"experiment_ids": ["987654321"]}, "word": {"experiment_ids": ["abc"]}, "empty id": {"experiment_ids": [""]},
        "max 0": {"max_results": 0}, "max -1": {"max_results": -1}, "max 2": {"max_results": 2}, "max text": {"max_results": "2"},
        "max 50001": {"max_results": 50001}, "view 2": {"run_view_type": 2},
        "token 1": {"page_token": base64.b64encode(b'{"offset": 1}').decode()},
        "token far": {"page_token": TOKEN_5}, "token no JSON": {"page_token": base64.b64encode(b"abc").decode()},
        "token bad": {"page_token": "a"}, "no order": {"order_by": None},
    }
    for text in ("metrics.m > 1", "metrics.m != 1", "metrics.m = NaN", "metrics.m >= 1.0", "metrics.m < 2.5", "metrics.m = '1'",
        "metrics.m > -1e3", "metrics.m LIKE '1'", "params.p = '1'", "params.p LIKE '%'", "params.p IS NULL", "params.p IS NOT NULL",
        "params.p IN ('1')",
                 "tags.`k a` = 'a'", "tags.\"k a\" = 'A'", "tags.`k a` ILIKE 'a'", "tags.`k a` LIKE 'a'", "tags.nobody IS NULL",
                 "tags.`k a` != 'a'", "dataset.name = 'd1'", "datasets.digest = 'x2'", "dataset.context = 'eval'",
                 "dataset.name IN ('d1', 'd2')",
                 "dataset.name LIKE 'd%'", "dataset.color = 'x'", "dataset.name = 1", "attributes.user_id = 'ann'",
                 "user_id != 'ann'", "run_id IN ('a', 'b')", "run_id NOT IN ('a')", "run_id LIKE '%'", "run_name IN ('r1')",
                 "`run name` = 'r1'", "\"Run Name\" = 'r1'", "attributes.`run name` = 'r2'", "attribute.run_name = 'r1'",
                 f"created > {BASE_MS}", f"Created >= {BASE_MS + 1}", "end_time > 0", "end_time IS NULL", "start_time = '1'",
                 "artifact_uri LIKE '%artifacts'", "lifecycle_stage = 'active'", "metrics.`m` > 1 and params.`p` = '2'",
                 "metrics.m > 1 AND",
                 "metrics. > 1", "tags. = 'x'", "params.p = \"1\"", "params.p = `1`", "metrics.m", "metrics.m >",
                 "metrics.m BETWEEN 1 AND 3", "param.p = '1'", "parameters.p = '1'", "metric.m > 1", "run.run_name = 'r1'",
                 "status = 'RUNNING'", "status != 'RUNNING'", "status IN ('RUNNING')", "status LIKE 'RUN%'",
                 "model.m = '1'", "attributes.m = '1'", "metrics.m IS NULL", "  metrics.m   >   1  ", "metrics.m>1",
                 "tags.`mlflow.runName` = 'r1'", "tags.mlflow.runName LIKE 'r%'", "params.`p'q` = 'x'", "params.p = 'it''s'",
                 "metrics.m == 1", "metrics.m <> 1"):
        changes[f"filter {text}"] = {"filter": text}
    for order in ("metrics.m", "metrics.m DESC", "metrics.`m` ASC", "params.p DESC", "tags.`k a`", "tag.`k a` DESC", "user_id",
        "end_time", "run name", "`run name`", "Run Name DESC", "Created", "created DESC", "attributes.run_name DESC",
        "metrics.nobody", "metrics.m asc", "metrics.m DESC NULLS LAST", "status, run_name", ""):
        changes[f"order {order!r}"] = {"order_by": [order]}
    for label, change in changes.items():
        raw.note(label, "POST", at + "search", {**base, **change}, view)
    raw.note("nothing", "POST", at + "search", {}, view)


# -- traces -----------------------------------------------------------------------------------------------

INFO = {"trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
    "request_time": "2025-02-20T00:00:00Z", "state": "OK", "execution_duration": "1.5s"}


@step
def raw_traces(s):
    """Trace infos as no client sends them."""
    raw, at = Raw(s), "3.0/mlflow/traces"
    here = made(s, raw, "raw traces")
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": here}}
    plain = {**INFO, "trace_location": place}

    def view(found):
        info = found["trace"]["trace_info"]
        return {**info, "trace_metadata": {k: v if len(v) < 300 else len(v) for k, v in info.get("trace_metadata", {}).items()},
                "tags": {k: v if len(v) < 300 else len(v) for k, v in info.get("tags",
                {}).items() if k != "mlflow.trace.spansLocation"},
                "trace_id": "<it>"}

    for n, (label, change) in enumerate({
            "plain": {}, "no time": {"request_time": None}, "no state": {"state": None}, "state 1": {"state": 1},
            "state bad": {"state": "GOOD"}, "in progress": {"state": "IN_PROGRESS"},
            "state unspecified": {"state": "STATE_UNSPECIFIED"},
            "duration ms": {"execution_duration": "0.001s"}, "duration fine": {"execution_duration": "1.123456789s"},
            "duration zero": {"execution_duration": "0s"},
            "time fine": {"request_time": "2025-02-20T00:00:00.123456789Z"},
            "time zone": {"request_time": "2025-02-20T02:00:00+02:00"},
            "previews": {"request_preview": "q" * 1000, "response_preview": "r"},
            "client id": {"client_request_id": "c-1"}, "metadata": {"trace_metadata": {"a": "1", "ж 🎈": "漢", "empty": ""}},
            "null metadata": {"trace_metadata": None, "tags": None}, "tags": {"tags": {"a": "1", "ж 🎈": "x", "a:b": "c"}},
            "unknown": {"color": "red", "deep": [1]},
            "location without id": {"trace_location": {"type": "MLFLOW_EXPERIMENT"}},
            "inference": {"trace_location": {"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "a.b.c"}}},
            "missing experiment": {"trace_location": {"type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "987654321"}}},
            "experiment word": {"trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "abc"}}},
            "experiment number": {"trace_location": {"type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": int(here)}}},
            "usage": {"trace_metadata": {"mlflow.trace.tokenUsage": '{"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}'}},
            "session": {"trace_metadata": {"mlflow.trace.session": "s", "mlflow.trace.user": "u"}},
            "name": {"tags": {"mlflow.traceName": "n"}}, "empty name": {"tags": {"mlflow.traceName": ""}},
            "assessments": {"assessments": []},
            "with feedback": {"assessments": [{"assessment_name": "f", "source": {"source_type": "HUMAN", "source_id": "a"},
            "create_time": "2025-02-20T00:00:00Z", "last_update_time": "2025-02-20T00:00:00Z", "feedback": {"value": 1},
            "valid": True}]},
            "camel": {"requestPreview": "camel", "clientRequestId": "cc"}}.items()):
        raw.note(f"start, {label}", "POST", at, {"trace": {"trace_info": {**plain, "trace_id": s.name(f"tr-{n + 1:032x}",
            f"trace {label}"), **change}}}, view)
    raw.each("POST", at, {"start, nothing": {}, "start, null": {"trace": None}, "start, empty": {"trace": {}},
        "start, empty info": {"trace": {"trace_info": {}}}})
    raw.note("again, other things", "POST", at, {"trace": {"trace_info": {**plain, "trace_id": f"tr-{1:032x}", "state": "ERROR",
        "request_preview": "second", "tags": {"second": "1"}, "trace_metadata": {"second": "1"},
        "request_time": "2025-02-21T00:00:00Z"}}}, view)
    raw.note("again, elsewhere", "POST", at, {"trace": {"trace_info": {**INFO, "trace_id": f"tr-{1:032x}"}}}, view)
    for label, path in {"missing": "/tr-" + MISSING, "word": "/abc", "upper": f"/TR-{1:032x}"}.items():
        raw.note(f"info, {label}", "GET", at + path)
    for label, query in {"nothing": {}, "missing": {"trace_id": "tr-" + MISSING}, "word": {"trace_id": "abc"},
                         "partial word": {"trace_id": f"tr-{1:032x}", "allow_partial": "maybe"}}.items():
        raw.note(f"get, {label}", "GET", at + "/get", view=lambda f: len(f["trace"].get("spans", [])), **query)
    for label, query in {"nothing": {}, "missing": {"trace_ids": ["tr-" + MISSING, "abc"]}}.items():
        raw.note(f"batch, {label}", "GET", at + "/batchGet", **query)
    raw.each("POST", at + "/batchGetInfos", {"infos, nothing": {}, "infos, null": {"trace_ids": None},
        "infos, missing": {"trace_ids": ["tr-" + MISSING]},
                                             }, view=lambda f: [t["trace_id"] for t in f.get("trace_infos", [])])
    one = f"tr-{1:032x}"
    for version in ("2.0", "3.0"):
        for label, body in {"nothing": {}, "no key": {"value": "x"}, "no value": {"key": "nv"},
            "null": {"key": "null", "value": None}, "empty": {"key": "e", "value": ""},
            "spans": {"key": "mlflow.trace.spansLocation", "value": "x"},
                            "archive": {"key": "mlflow.trace.archiveLocation", "value": "x"}, "up": {"key": "../x", "value": "y"},
                            "emoji": {"key": "🎈", "value": "y"}, "wide": {"key": "ж", "value": "漢"}, "key 250": {"key": "k" * 250,
                            "value": "y"}, "object": {"key": "o", "value": {"a": 1}}}.items():
            raw.note(f"{version} tag, {label}", "PATCH", f"{version}/mlflow/traces/{one}/tags", body)
        for label, body in {"nothing": {}, "plain": {"key": "e"}, "again": {"key": "e"},
            "spans": {"key": "mlflow.trace.spansLocation"}}.items():
            raw.note(f"{version} untag, {label}", "DELETE", f"{version}/mlflow/traces/{one}/tags", body)
    raw.note("after tags", "GET", f"{at}/{one}", view=view)
    raw.each("POST", "2.0/mlflow/traces/link-to-run", {"link, nothing": {}, "link, no run": {"trace_ids": [one]},
        "link, no traces": {"run_id": "r"}, "link, null": {"trace_ids": None, "run_id": "r"}, "link": {"trace_ids": [one],
        "run_id": "r1"}, "link again": {"trace_ids": [one], "run_id": "r1"}, "link, bad": {"trace_ids": ["abc"], "run_id": "r1"}})
    raw.each("POST", "2.0/mlflow/traces/link-prompts", {"prompts, nothing": {},
        "prompts, none": {"trace_id": one, "prompt_versions": []}, "prompts, no trace": {"prompt_versions": [{"name": "a",
        "version": "1"}]}, "prompts": {"trace_id": one, "prompt_versions": [{"name": "a", "version": "1"}]},
                                                        "prompts again": {"trace_id": one,
                                                        "prompt_versions": [{"name": "a", "version": "1"}, {"name": "b",
                                                        "version": "2"}]}, "prompts, missing": {"trace_id": "tr-" + MISSING,
                                                        "prompt_versions": [{"name": "a", "version": "1"}]},
                                                        "prompts, no version": {"trace_id": one,
                                                        "prompt_versions": [{"name": "c"}]}})
    raw.note("linked", "GET", f"{at}/{one}", view=lambda f: f["trace"]["trace_info"]["tags"].get("mlflow.linkedPrompts"))
    for version in ("2.0", "3.0"):
        raw.each("POST", f"{version}/mlflow/traces/delete-traces", {f"{version} {k}": v for k, v in {
            "delete, nothing": {}, "delete, no experiment": {"request_ids": [one]}, "delete, null ids": {"experiment_id": here,
            "request_ids": None}, "delete, time text": {"experiment_id": "0", "max_timestamp_millis": "1"},
            "delete, time 0": {"experiment_id": here, "max_timestamp_millis": 0}, "delete, time -1": {"experiment_id": here,
            "max_timestamp_millis": -1}, "delete, max -1": {"experiment_id": here, "max_timestamp_millis": 5, "max_traces": -1},
            "delete, word": {"experiment_id": "abc", "max_timestamp_millis": 5},
            "delete, bad id": {"experiment_id": here, "request_ids": ["abc", ""]}, "delete, time word": {"experiment_id": here,
            "max_timestamp_millis": "abc"}, "delete, elsewhere": {"experiment_id": "0", "request_ids": [one]},
            "delete, twice": {"experiment_id": here, "request_ids": [f"tr-{11 if version == '2.0' else 12:032x}"] * 2}}.items()})
    named = next(bare for bare, label in s.names.items() if label == "<trace name>")
    for label in ("untag the name", "untag the name again"):
        raw.note(label, "DELETE", f"2.0/mlflow/traces/tr-{named}/tags", {"key": "mlflow.traceName"})


@step
def raw_traces_search(s):
    """Search of traces over REST: locations, limits, tokens, several experiments."""
    raw, at = Raw(s), "3.0/mlflow/traces/search"
    places = [experiment(s, f"raw search {n}") for n in range(3)]
    for n in range(7):
        mlflow.set_experiment(experiment_id=places[n % 3])
        chosen(s, f"t{n}", start=n, tags={"n": str(n)})
    mlflow.flush_trace_async_logging()
    mlflow.MlflowClient().delete_experiment(places[2])

    def view(found):
        return [[t["tags"].get("mlflow.traceName") for t in found.get("traces", [])]]

    def at_place(*ids, kind="MLFLOW_EXPERIMENT"):
        return [{"type": kind, "mlflow_experiment": {"experiment_id": i}} for i in ids]

    base = {"locations": at_place(*places[:2]), "order_by": ["timestamp ASC"]}
    for label, change in {
            "two": {}, "one": {"locations": at_place(places[0])}, "three": {"locations": at_place(*places)},
            "deleted": {"locations": at_place(places[2])}, "twice": {"locations": at_place(places[0], places[0])},
            "none": {"locations": []}, "null": {"locations": None},
            "no type": {"locations": [{"mlflow_experiment": {"experiment_id": places[0]}}]},
            "type 1": {"locations": [{"type": 1, "mlflow_experiment": {"experiment_id": places[0]}}]},
            "number": {"locations": at_place(int(places[0]))}, "word": {"locations": at_place("abc")},
            "empty location": {"locations": [{}]}, "missing": {"locations": at_place("987654321")},
            "missing too": {"locations": at_place("987654321", places[0])},
            "inference": {"locations": [{"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "a.b"}}]},
            "uc": {"locations": [{"type": "UC_SCHEMA", "uc_schema": {"catalog_name": "a", "schema_name": "b"}}]},
            "bad type": {"locations": [{"type": "MOON", "mlflow_experiment": {"experiment_id": places[0]}}]},
            "no list": {"locations": {}}, "text": {"locations": places[0]},
            "max 0": {"max_results": 0}, "max -1": {"max_results": -1}, "max 500": {"max_results": 500},
            "max 501": {"max_results": 501}, "max text": {"max_results": "2"}, "max text 501": {"max_results": "501"},
            "max word": {"max_results": "abc"}, "filter null": {"filter": None}, "filter empty": {"filter": ""},
            "filter number": {"filter": 5}, "order null": {"order_by": None}, "token empty": {"page_token": ""},
            "token null": {"page_token": None}, "unknown": {"color": "red"},
            "experiment_ids": {"locations": None, "experiment_ids": [places[0]]}}.items():
        raw.note(label, "POST", at, {**base, **change}, view)
    page = raw.ask("POST", at, {**base, "max_results": 2})[1]
    s.note("a token", bool(page.get("next_page_token")))
    for label, change in {"same": {}, "larger": {"max_results": 3}, "other filter": {"filter": "name != 't3'"},
        "other order": {"order_by": ["timestamp DESC"]}}.items():
        status, found = raw.ask("POST", at, {**base, "max_results": 2, "page_token": page["next_page_token"], **change})
        s.note(f"token, {label}", [status, view(found) if label in ("same",
            "larger") and status == 200 else status == 200 or found])
    raw.note("nothing", "POST", at, {})
    raw.note("GET", "GET", at)


# -- assessments ------------------------------------------------------------------------------------------


@step
def raw_assessments(s):
    """Assessments as no client sends them; chains of overrides."""
    raw = Raw(s)
    experiment(s, "raw assessments")
    t = chosen(s, "judged", children=[("child", "TOOL", 1, 2, {}, "OK")])
    mlflow.flush_trace_async_logging()
    at = f"3.0/mlflow/traces/{t}/assessments"
    source = {"source_type": "HUMAN", "source_id": "ann"}
    plain = {"assessment_name": "a", "source": source, "feedback": {"value": 1}}

    def create(label, change=None, gone=(), view=None, **body):
        full = {k: v for k, v in {**plain, **(change or {})}.items() if k not in gone}
        status, found = raw.ask("POST", at, body or {"assessment": full})
        made = s.name(found["assessment"]["assessment_id"], f"a {label}") if status == 200 else None
        s.note(label, [status, view(found) if view and status == 200 else found])
        return made

    for label, value in {"int": 1, "float": 1.5, "big": 2**60, "bool": True, "text": "yes", "empty": "", "null": None,
        "list": [1, "a", None], "dict": {"a": {"b": 1}}, "nan": "NaN", "long": "x" * 9000}.items():
        create(f"value {label}", {"feedback": {"value": value}})
    create("no value", {"feedback": {}})
    create("error", {"feedback": {"error": {"error_code": "E", "error_message": "m", "stack_trace": "s"}}})
    create("error alone", {"feedback": {"error": {"error_code": "E"}}})
    create("error and value", {"feedback": {"value": 1, "error": {"error_code": "E"}}})
    create("null feedback", {"feedback": None})
    create("nothing", None, ("feedback",))
    create("both", {"expectation": {"value": 1}})
    create("no name", None, ("assessment_name",))
    create("name 250", {"assessment_name": "n" * 250})
    create("name 251", {"assessment_name": "n" * 251})
    create("no source", None, ("source",))
    create("empty source", {"source": {}})
    create("no source id", {"source": {"source_type": "CODE"}})
    create("bad source", {"source": {"source_type": "DOG", "source_id": "x"}})
    create("source number", {"source": {"source_type": 1, "source_id": "x"}})
    create("source unspecified", {"source": {"source_type": "SOURCE_TYPE_UNSPECIFIED", "source_id": "x"}})
    create("rationale", {"rationale": "why"})
    create("empty rationale", {"rationale": ""})
    create("null rationale", {"rationale": None})
    create("metadata", {"metadata": {"a": "1", "": "empty", "ж": "🎈"}})
    create("empty metadata", {"metadata": {}})
    create("metadata number", {"metadata": {"a": 5, "b": True, "c": None}})
    create("metadata long", {"metadata": {"a": "x" * 9000}}, view=lambda f: len(f["assessment"]["metadata"]["a"]))
    create("span", {"span_id": "00000000000000ff"})
    create("span empty", {"span_id": ""})
    create("span odd", {"span_id": "zzz"})
    create("own id", {"assessment_id": "a-own"})
    create("other trace", {"trace_id": "tr-" + MISSING})
    create("times", {"create_time": "2020-01-01T00:00:00Z", "last_update_time": "2021-01-01T00:00:00.5Z"})
    create("bad time", {"create_time": "yesterday"})
    create("invalid", {"valid": False})
    create("unknown", {"color": "red"})
    create("camel", {"assessmentName": "camel", "spanId": "00000000000000ff"}, ("assessment_name",))
    create("empty body", assessment={})
    raw.each("POST", at, {"no body": {}, "null body": {"assessment": None}, "list": {"assessment": []}})
    for label, value in {"text": {"value": "a"}, "number": {"value": 1}, "list": {"value": [1]}, "dict": {"value": {"a": 1}},
        "null": {"value": None}, "none": {}, "serialized": {"serialized_value": {"serialization_format": "JSON_FORMAT",
        "value": '{"a": [1]}'}},
                         "serialized number": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "5"}},
                         "serialized null": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "null"}},
                         "serialized no JSON": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{"}},
                         "both": {"value": 1, "serialized_value": {"serialization_format": "JSON_FORMAT", "value": "2"}}}.items():
        create(f"expectation {label}", {"expectation": value}, ("feedback",))
    create("expectation rationale", {"expectation": {"value": 1}, "rationale": "why"}, ("feedback",))
    first = create("chain 1", {"assessment_name": "c", "feedback": {"value": "1"}})
    second = create("chain 2", {"assessment_name": "c", "feedback": {"value": "2"}, "overrides": first})
    third = create("chain 3", {"assessment_name": "c", "feedback": {"value": "3"}, "overrides": second})
    fork = create("chain 1 again", {"assessment_name": "c", "feedback": {"value": "4"}, "overrides": first})
    create("overrides nobody", {"overrides": "a-" + MISSING})
    create("overrides empty", {"overrides": ""})

    def chain(label):
        info = raw.ask("GET", f"3.0/mlflow/traces/{t}")[1]["trace"]["trace_info"]
        s.note(label, sorted([a["feedback"]["value"], a.get("valid"),
            "overrides" in a] for a in info["assessments"] if a["assessment_name"] == "c"))

    def delete(one, label):
        s.note(f"delete {label}", raw.ask("DELETE", f"{at}/{one}", {}))
        chain(f"after {label}")

    chain("chain")
    delete(second, "the middle one")
    delete(third, "the end")
    delete(fork, "the fork")
    delete(first, "the first")
    a = create("to change", {"assessment_name": "u", "rationale": "old", "metadata": {"a": "1"}, "span_id": "00000000000000ff"})
    for label, body in {
            "nothing": {}, "no mask": {"assessment": {"assessment_name": "x"}},
            "null mask": {"assessment": {"assessment_name": "x"}, "update_mask": None},
            "empty mask": {"assessment": {"assessment_name": "x"}, "update_mask": ""},
            "no assessment": {"update_mask": "rationale"},
            "camel mask": {"assessment": {"assessment_name": "camel"}, "update_mask": "assessmentName"},
            "two": {"assessment": {"rationale": "r2", "feedback": {"value": 2}}, "update_mask": "feedback,rationale"},
            "mask without member": {"assessment": {}, "update_mask": "rationale"}, "feedback without member": {"assessment": {},
            "update_mask": "feedback"}, "empty feedback": {"assessment": {"feedback": {}}, "update_mask": "feedback"},
            "null value": {"assessment": {"feedback": {"value": None}}, "update_mask": "feedback"},
            "empty rationale": {"assessment": {"rationale": ""}, "update_mask": "rationale"},
            "metadata": {"assessment": {"metadata": {"b": "2"}}, "update_mask": "metadata"},
            "metadata again": {"assessment": {"metadata": {"a": "changed"}}, "update_mask": "metadata"},
            "empty metadata": {"assessment": {"metadata": {}}, "update_mask": "metadata"},
            "source": {"assessment": {"source": {"source_type": "CODE", "source_id": "c"}}, "update_mask": "source"},
            "span": {"assessment": {"span_id": "1"}, "update_mask": "spanId"}, "unknown mask": {"assessment": {"color": "red"},
            "update_mask": "color"},
            "members beyond the mask": {"assessment": {"rationale": "no", "feedback": {"value": 8}}, "update_mask": "feedback"},
            "error": {"assessment": {"feedback": {"error": {"error_code": "E"}}}, "update_mask": "feedback"},
            "expectation": {"assessment": {"expectation": {"value": 1}}, "update_mask": "expectation"},
            "spaces in mask": {"assessment": {"rationale": "sp"}, "update_mask": "rationale, feedback"},
            "star": {"assessment": {"rationale": "star"}, "update_mask": "*"}}.items():
        raw.note(f"update, {label}", "PATCH", f"{at}/{a}", body, view=lambda f: {k: v for k,
            v in f["assessment"].items() if v != ""})
    raw.note("update, missing", "PATCH", f"{at}/a-{MISSING}", {"assessment": {"rationale": "x"}, "update_mask": "rationale"})
    e = create("expected", {"expectation": {"value": 1}}, ("feedback",))
    for label, body in {"value": {"assessment": {"expectation": {"value": {"a": [1]}}}, "update_mask": "expectation"},
        "serialized": {"assessment": {"expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1]"}}},
        "update_mask": "expectation"},
                        "rationale": {"assessment": {"rationale": "r"}, "update_mask": "rationale"},
                        "feedback": {"assessment": {"feedback": {"value": 1}}, "update_mask": "feedback"},
                        "metadata": {"assessment": {"metadata": {"k": "v"}}, "update_mask": "metadata"}}.items():
        raw.note(f"update expectation, {label}", "PATCH", f"{at}/{e}", body)
    raw.note("get", "GET", f"{at}/{e}")
    raw.note("get, missing trace", "GET", f"3.0/mlflow/traces/tr-{MISSING}/assessments/{e}")
    raw.note("create, missing trace", "POST", f"3.0/mlflow/traces/tr-{MISSING}/assessments", {"assessment": plain})
    raw.note("delete without body", "DELETE", f"{at}/{e}")


# -- datasets, scorers, logged models ----------------------------------------------------------------------


@step
def raw_datasets(s):
    """Datasets and their records as no client sends them."""
    raw, at = Raw(s), "3.0/mlflow/datasets"
    here, there = made(s, raw, "raw datasets"), made(s, raw, "raw datasets there")

    def shown(found):
        d = dict(found["dataset"])
        d["digest"] = len(d.get("digest", ""))
        return d

    def create(label, body):
        status, found = raw.ask("POST", at + "/create", body)
        named = s.name(found["dataset"]["dataset_id"], f"dataset {label}") if status == 200 else None
        s.note(label, [status, shown(found) if status == 200 else found])
        return named

    d = create("plain", {"name": "rd", "experiment_ids": [here]})
    create("nothing", {})
    create("no experiments", {"name": "rd none"})
    create("empty name", {"name": ""})
    create("space name", {"name": " "})
    create("long name", {"name": "n" * 300})
    create("same name", {"name": "rd", "experiment_ids": [here]})
    create("tags", {"name": "rd tags", "tags": json.dumps({"a": "1", "n": 5, "f": 1.5, "mlflow.user": "ann"})})
    create("tags no JSON", {"name": "rd tags 2", "tags": "{"})
    create("tags list", {"name": "rd tags 3", "tags": "[1]"})
    create("tags object", {"name": "rd tags 4", "tags": {"a": "1"}})
    create("tags empty", {"name": "rd tags 5", "tags": ""})
    create("more", {"name": "rd more", "source_type": "HUMAN", "source": "x", "schema": "{}", "profile": "{}", "created_by": "ann",
        "digest": "abc"})
    records = f"{at}/{d}/records"

    def rows(label, **query):
        def view(found):
            out = [[r["inputs"], r.get("outputs"), r.get("expectations"), r.get("tags"), r.get("source"), r.get("source_id"),
                r.get("source_type"), r.get("created_by"), r.get("last_updated_by"),
                    sorted(r)] for r in json.loads(found.get("records", "[]"))]
            return [sorted(out, key=lambda r: json.dumps(r[0], sort_keys=True)), sorted(found)]
        raw.note(label, "GET", records, view=view, **query)

    for label, value in {
            "none": [], "plain": [{"inputs": {"q": 1}}], "same again": [{"inputs": {"q": 1}}],
            "twice in one": [{"inputs": {"q": 2}, "expectations": {"a": 1}}, {"inputs": {"q": 2}, "expectations": {"b": 2}}],
            "1.0": [{"inputs": {"q": 1.0}}], "key order": [{"inputs": {"b": 1, "a": 2}}, {"inputs": {"a": 2, "b": 1}}],
            "unicode": [{"inputs": {"ж": "🎈"}}], "no inputs": [{"expectations": {"a": 1}}], "null inputs": [{"inputs": None}],
            "empty inputs": [{"inputs": {}}], "inputs text": [{"inputs": "x"}],
            "outputs": [{"inputs": {"q": 3}, "outputs": {"t": "text"}}], "outputs null": [{"inputs": {"q": 4}, "outputs": None}],
            "outputs dict": [{"inputs": {"q": 5}, "outputs": {"a": 1}}],
            "outputs changed": [{"inputs": {"q": 3}, "outputs": {"a": 2}}], "outputs away": [{"inputs": {"q": 3}, "outputs": None}],
            "expectations null": [{"inputs": {"q": 2}, "expectations": None}],
            "expectations text": [{"inputs": {"q": 6}, "expectations": "x"}], "tags": [{"inputs": {"q": 1}, "tags": {"a": "1"}}],
            "tags again": [{"inputs": {"q": 1}, "tags": {"a": "2", "b": 3}}],
            "tags empty": [{"inputs": {"q": 1}, "tags": {}}], "tags null": [{"inputs": {"q": 1}, "tags": None}],
            "source": [{"inputs": {"q": 7}, "source": {"source_type": "human", "source_data": {"source_id": "s"}}}],
            "source trace": [{"inputs": {"q": 8}, "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-x"}}}],
            "source changed": [{"inputs": {"q": 7}, "source": {"source_type": "CODE", "source_data": {}}}],
            "source bad": [{"inputs": {"q": 9}, "source": {"source_type": "DOG"}}],
            "source no data": [{"inputs": {"q": 10}, "source": {"source_type": "DOCUMENT"}}],
            "source text": [{"inputs": {"q": 11}, "source": "x"}], "user": [{"inputs": {"q": 12}, "tags": {"mlflow.user": "bob"}}],
            "unknown": [{"inputs": {"q": 13}, "color": "red"}], "no object": ["x"], "null record": [None],
            "deep": [{"inputs": {"q": {"a": [1, {"b": None}]}}}]}.items():
        raw.note(f"put {label}", "POST", records, {"records": json.dumps(value)})
    raw.each("POST", records, {"put, nothing": {}, "put, no JSON": {"records": "{"},
        "put, list": {"records": [{"inputs": {"q": 99}}]}, "put, null": {"records": None}})
    rows("rows")
    rows("rows, all", max_results="1000")
    for label, query in {"max 2": {"max_results": "2"}, "max 0": {"max_results": "0"}, "max word": {"max_results": "abc"},
        "bad token": {"page_token": "!"}, "token no time": {"page_token": base64.b64encode(b"abc").decode()}}.items():
        raw.note(f"rows, {label}", "GET", records, view=lambda f: [len(json.loads(f.get("records", "[]"))), "next_page_token" in f],
            **query)
    seen, token = 0, ""
    for _ in range(20):
        found = raw.ask("GET", records, max_results="5", page_token=token)[1]
        seen, token = seen + len(json.loads(found["records"])), found.get("next_page_token")
        if not token:
            break
    s.note("rows by pages", seen)
    raw.note("dataset after", "GET", f"{at}/{d}", view=shown)
    raw.note("rows of a missing one", "GET", f"{at}/d-{MISSING}/records")
    raw.note("put to a missing one", "POST", f"{at}/d-{MISSING}/records", {"records": '[{"inputs": {"a": 1}}]'})
    some = [r["dataset_record_id"] for r in json.loads(raw.ask("GET", records, max_results="1000")[1]["records"])]
    for label, body in {"nothing": {}, "null": {"dataset_record_ids": None}, "none": {"dataset_record_ids": []},
        "missing": {"dataset_record_ids": ["dr-" + MISSING, "x", ""]}, "one": {"dataset_record_ids": some[:1]},
        "again": {"dataset_record_ids": some[:1]}, "twice": {"dataset_record_ids": [some[1], some[1]]}}.items():
        raw.note(f"delete rows, {label}", "DELETE", records, body)
    raw.note("dataset after deleting", "GET", f"{at}/{d}", view=shown)
    raw.note("tagged", "PATCH", f"{at}/{d}/tags", {"tags": json.dumps({"a": "1", "n": 5, "null": None})})
    raw.note("tagged again", "PATCH", f"{at}/{d}/tags", {"tags": json.dumps({"a": None, "n": "6", "b": "c/d"})})
    raw.each("PATCH", f"{at}/{d}/tags", {"tags, nothing": {}, "tags, no JSON": {"tags": "{"}, "tags, list": {"tags": "[]"},
        "tags, object": {"tags": {"x": "y"}}, "tags, empty": {"tags": "{}"}})
    raw.note("dataset tagged", "GET", f"{at}/{d}", view=lambda f: f["dataset"]["tags"])
    raw.note("untag", "DELETE", f"{at}/{d}/tags/b")
    raw.note("untag again", "DELETE", f"{at}/{d}/tags/b")
    raw.note("untag a missing one", "DELETE", f"{at}/d-{MISSING}/tags/b")
    raw.each("POST", f"{at}/{d}/add-experiments", {"add, nothing": {}, "add, missing": {"experiment_ids": ["987654321"]},
        "add": {"experiment_ids": [there]}, "add again": {"experiment_ids": [there, here]}}, view=shown)
    raw.note("ids", "GET", f"{at}/{d}/experiment-ids", view=lambda f: sorted(s.plain(f["experiment_ids"], "experiment_ids")))
    raw.each("POST", f"{at}/{d}/remove-experiments", {"remove, nothing": {}, "remove, missing": {"experiment_ids": ["987654321"]},
        "remove": {"experiment_ids": [here]}, "remove again": {"experiment_ids": [here]},
        "remove all": {"experiment_ids": [there]}}, view=shown)
    raw.note("ids of none", "GET", f"{at}/{d}/experiment-ids")
    raw.note("ids of a missing one", "GET", f"{at}/d-{MISSING}/experiment-ids")
    raw.note("get a missing one", "GET", f"{at}/d-{MISSING}")
    raw.note("get an odd one", "GET", f"{at}/abc")

    def names(found):
        return [[x["name"][:20] for x in found.get("datasets", [])], "next_page_token" in found]

    base = {"filter_string": "name LIKE 'rd%'", "order_by": ["name ASC"]}
    for label, change in {
            "plain": {}, "max 0": {"max_results": 0}, "max -1": {"max_results": -1}, "max text": {"max_results": "2"},
            "max 1001": {"max_results": 1001}, "max 50001": {"max_results": 50001}, "by experiment": {"experiment_ids": [here]},
            "no experiments": {"experiment_ids": []}, "missing": {"experiment_ids": ["987654321"]},
            "word": {"experiment_ids": ["abc"]},
            "bad token": {"page_token": "!"}, "token 1": {"page_token": base64.b64encode(b'{"offset": 1}').decode()},
            "null filter": {"filter_string": None, "max_results": 0}, "order desc": {"order_by": ["name DESC"]},
            "order bad": {"order_by": ["color"]}, "order created": {"order_by": ["created_time ASC", "name"]}}.items():
        raw.note(f"search {label}", "POST", at + "/search", {**base, **change}, names)
    for text in ("name = 'rd'", "name != 'rd'", "name ILIKE 'RD %'", "name IN ('rd', 'rd none')", "tags.a = '1'", "tags.n = '5'",
        "tags.a IS NULL AND name LIKE 'rd%'", "tags.`a` != '1'", "created_time > 0 AND name LIKE 'rd%'", "created_by = 'ann'",
        "last_updated_by LIKE 'a%'", "created_by = 'ann' OR name = 'rd'", "dataset_id = 'x'", "last_update_time < 5"):
        raw.note(f"search {text}", "POST", at + "/search", {"filter_string": text, "order_by": ["name ASC"]}, names)
    raw.note("delete", "DELETE", f"{at}/{d}")
    raw.note("delete again", "DELETE", f"{at}/{d}")
    raw.note("rows after", "GET", records)
    raw.note("tag a deleted one", "PATCH", f"{at}/{d}/tags", {"tags": '{"a": "b"}'})


@step
def raw_scorers(s):
    """Scorers as no client sends them; many versions."""
    raw, at = Raw(s), "3.0/mlflow/scorers/"
    here, there = made(s, raw, "raw scorers"), made(s, raw, "raw scorers there")
    text = json.dumps({"name": "j", "instructions_judge_pydantic_data": {"instructions": "{{ outputs }} good?",
        "model": "openai:/gpt-4o"}})
    plain = {"experiment_id": here, "name": "j", "serialized_scorer": text}

    def shown(one):
        return [one["scorer_name"], one["scorer_version"], len(json.dumps(json.loads(one["serialized_scorer"]))),
            one["experiment_id"] == int(here)]

    def short(found):
        return [shown(one) for one in found.get("scorers", [])]

    for label, change in {
            "plain": {}, "second": {}, "third": {}, "no name": {"name": None}, "empty name": {"name": ""},
            "space name": {"name": "  "}, "long name": {"name": "n" * 300}, "odd name": {"name": "a/b ж 🎈 'q'"},
            "no text": {"serialized_scorer": None}, "empty text": {"serialized_scorer": ""}, "no JSON": {"serialized_scorer": "{"},
            "list": {"serialized_scorer": "[]"}, "number": {"serialized_scorer": "5"}, "empty object": {"serialized_scorer": "{}",
            "name": "e"}, "object": {"serialized_scorer": {"a": 1}}, "no experiment": {"experiment_id": None},
            "missing": {"experiment_id": "987654321"}, "word": {"experiment_id": "abc"},
            "code": {"serialized_scorer": json.dumps({"name": "c", "call_source": "return 1"})},
            "null code": {"serialized_scorer": json.dumps({"name": "c", "call_source": None}), "name": "nc"},
            "unicode": {"serialized_scorer": json.dumps({"ж": "🎈"}, ensure_ascii=False), "name": "u"}}.items():
        raw.note(f"register, {label}", "POST", at + "register", {**plain, **change})
    for label, query in {"plain": {}, "nothing": {"experiment_id": None}, "there": {"experiment_id": there},
        "missing": {"experiment_id": "987654321"}, "word": {"experiment_id": "abc"}, "empty": {"experiment_id": ""}}.items():
        raw.note(f"list, {label}", "GET", at + "list", view=short, **{k: v for k,
            v in {"experiment_id": here, **query}.items() if v is not None})
    for label, query in {"plain": {}, "version 1": {"version": "1"}, "version 2": {"version": "2"}, "version 4": {"version": "4"},
        "version 0": {"version": "0"}, "version -1": {"version": "-1"}, "version word": {"version": "abc"},
        "missing": {"name": "nobody"}, "no name": {"name": None}, "odd name": {"name": "a/b ж 🎈 'q'"}}.items():
        raw.note(f"get, {label}", "GET", at + "get", view=lambda f: shown(f["scorer"]), **{k: v for k,
            v in {"experiment_id": here, "name": "j", **query}.items() if v is not None})
    for label, query in {"plain": {}, "missing": {"name": "nobody"}, "no name": {"name": None}}.items():
        raw.note(f"versions, {label}", "GET", at + "versions", view=short, **{k: v for k,
            v in {"experiment_id": here, "name": "j", **query}.items() if v is not None})
    many = {"experiment_id": here, "name": "many", "serialized_scorer": "{}"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: raw.ask("POST", at + "register", many), range(1)))
    for n in range(24):
        raw.ask("POST", at + "register", {**many, "serialized_scorer": json.dumps({"n": n})})
    raw.note("many versions", "GET", at + "versions", view=short, experiment_id=here, name="many")
    for label, body in {"nothing": {}, "no name": {"name": None}, "version 99": {"version": 99}, "version 25": {"version": 25},
        "version text": {"version": "24"}, "version 3": {"version": 3}, "again": {"version": 3}, "version word": {"version": "abc"},
        "missing": {"name": "nobody"}, "version 0": {"version": 0, "name": "e"}}.items():
        raw.note(f"delete, {label}", "DELETE", at + "delete", {} if label == "nothing" else {"experiment_id": here, "name": "many",
            **body})
    raw.note("versions after", "GET", at + "versions", view=short, experiment_id=here, name="many")
    raw.note("next after", "POST", at + "register", {**many, "serialized_scorer": '{"n": "next"}'}, only("version"))
    raw.note("delete all", "DELETE", at + "delete", {"experiment_id": here, "name": "many"})
    raw.note("delete all again", "DELETE", at + "delete", {"experiment_id": here, "name": "many"})
    raw.note("first again", "POST", at + "register", many, only("version"))
    for label, query in {"nothing": {}, "missing": {"scorer_ids": ["x"]}}.items():
        raw.note(f"online, {label}", "GET", at + "online-configs", **query)
    raw.note("list both", "GET", at + "list", experiment_id=here, experiment_ids=there)
    raw.note("list of several", "GET", at + "list", view=lambda f: sorted(map(str, short(f))), experiment_ids=[here, there])
    mlflow.MlflowClient().delete_experiment(there)
    raw.note("register in a deleted one", "POST", at + "register", {**plain, "experiment_id": there})
    raw.note("list of a deleted one", "GET", at + "list", experiment_id=there)


@step
def raw_models(s):
    """Logged models as no client sends them."""
    raw, at = Raw(s), "2.0/mlflow/logged-models"
    here = made(s, raw, "raw models")

    def shown(found):
        info = {k: v for k, v in found["model"]["info"].items() if k not in ("creation_timestamp_ms", "last_updated_timestamp_ms")}
        return {"info": info, "data": found["model"].get("data")}

    def create(label, change):
        status, found = raw.ask("POST", at, {"experiment_id": here, "name": "lm", **change})
        named = s.name(found["model"]["info"]["model_id"], f"model {label}") if status == 200 else None
        s.note(label, [status, shown(found) if status == 200 else found])
        return named

    m = create("plain", {})
    for label, change in {"no experiment": {"experiment_id": None}, "missing": {"experiment_id": "987654321"},
        "word": {"experiment_id": "abc"}, "odd name": {"name": "a/b"}, "dot": {"name": "a.b"}, "long name": {"name": "n" * 600},
        "type": {"model_type": "agent", "source_run_id": MISSING},
                          "params": {"params": [{"key": "a", "value": "2"}]}, "param no value": {"params": [{"key": "a"}]},
                          "tags": {"tags": [{"key": "a", "value": "1"}]}, "bad tag": {"tags": [{"key": "a\tb", "value": "x"}]},
                          "param long": {"params": [{"key": "a", "value": "x" * 7000}]}}.items():
        create(f"create, {label}", change)
    raw.note("get a missing one", "GET", f"{at}/m-{MISSING}")
    raw.each("PATCH", f"{at}/{m}", {f"finalize {k}": {"model_id": m, **v} for k,
        v in {"nothing": {}, "ready": {"status": "LOGGED_MODEL_READY"}, "3": {"status": 3},
            "failed": {"status": "LOGGED_MODEL_UPLOAD_FAILED"}, "pending": {"status": "LOGGED_MODEL_PENDING"}}.items()},
            view=lambda f: f["model"]["info"]["status"])
    raw.each("PATCH", f"{at}/{m}/tags", {"tags, nothing": {}, "tags": {"tags": [{"key": "k", "value": "v"}]},
        "tags again": {"tags": [{"key": "k", "value": "w"}]}, "tags, no value": {"tags": [{"key": "nv"}]},
        "tags, bad": {"tags": [{"key": "a\nb", "value": "x"}]}})
    raw.note("untag", "DELETE", f"{at}/{m}/tags/k")
    raw.note("untag again", "DELETE", f"{at}/{m}/tags/k")
    raw.each("POST", f"{at}/{m}/params", {f"params, {k}": {"model_id": m, **v} for k,
        v in {"nothing": {}, "one": {"params": [{"key": "p", "value": "1"}]}, "again": {"params": [{"key": "p", "value": "1"}]},
            "changed": {"params": [{"key": "p", "value": "2"}]}, "two": {"params": [{"key": "q", "value": "1"}, {"key": "r",
            "value": "2"}]}}.items()})
    raw.note("read", "GET", f"{at}/{m}", view=lambda f: [sorted((t["key"], t["value"]) for t in f["model"]["info"]["tags"]),
        f["model"]["data"]])
    raw.note("tags of a missing one", "PATCH", f"{at}/m-{MISSING}/tags", {"tags": [{"key": "k", "value": "v"}]})

    def names(found):
        return [sorted(x["info"]["name"][:20] for x in found.get("models", [])), "next_page_token" in found]

    base = {"experiment_ids": [here], "order_by": [{"field_name": "creation_time", "ascending": True}]}
    for label, change in {"plain": {}, "no experiments": {"experiment_ids": None}, "none": {"experiment_ids": []},
        "missing": {"experiment_ids": ["987654321"]}, "word": {"experiment_ids": ["abc"]}, "max 2": {"max_results": 2},
        "max 51": {"max_results": 51}, "max 101": {"max_results": 101}, "bad token": {"page_token": "!"},
                          "order bad": {"order_by": [{"field_name": "color"}]}, "order nothing": {"order_by": [{}]},
                          "order text": {"order_by": ["name"]}}.items():
        raw.note(f"search {label}", "POST", at + "/search", {**base, **change}, names)
    for text in ("name = 'lm'", "name LIKE 'l%'", "name != 'lm'", "model_type = 'agent'", "status = 'LOGGED_MODEL_PENDING'",
        "status = 'PENDING'", "status = 'READY'", "params.a = '2'", "tags.a = '1'", "creation_timestamp > 0", "metrics.x > 1",
        "source_run_id = 'x'", "name IN ('lm')", "color = 'red'", "name = 'lm' AND tags.a = '1'", "params.p IS NULL",
        "name ILIKE 'LM'", "attributes.name = 'lm'", "model_id = 'x'", "tags.a != '1'", "name > 'a'"):
        raw.note(f"search {text}", "POST", at + "/search", {**base, "filter": text}, names)
    raw.note("delete", "DELETE", f"{at}/{m}")
    raw.note("delete again", "DELETE", f"{at}/{m}")
    raw.note("get a deleted one", "GET", f"{at}/{m}")
    raw.note("get a deleted one, allowed", "GET", f"{at}/{m}", view=lambda f: f["model"]["info"]["status"], allow_deleted="true")
    raw.note("tag a deleted one", "PATCH", f"{at}/{m}/tags", {"tags": [{"key": "k", "value": "v"}]})
    raw.note("finalize a deleted one", "PATCH", f"{at}/{m}", {"model_id": m, "status": "LOGGED_MODEL_READY"},
        view=lambda f: f["model"]["info"]["status"])


# -- metrics of traces -------------------------------------------------------------------------------------


@step
def raw_metrics(s):
    """Aggregates over traces, spans and assessments."""
    raw, at = Raw(s), "3.0/mlflow/traces/metrics"
    here = experiment(s, "raw metrics")
    for n in range(4):
        t = chosen(s, f"m{n % 2}", start=n * 3_600_000, took=100 * (n + 1), status="ERROR" if n == 3 else "OK",
            tags={"k": str(n % 2)}, metadata={"mlflow.trace.session": f"s{n % 2}"},
                   children=[("call", "TOOL", 1, 10 * (n + 1), {"mlflow.chat.tokenUsage": {"input_tokens": n, "output_tokens": 1,
                       "total_tokens": n + 1}}, "OK")])
        mlflow.flush_trace_async_logging()
        for name, value in (("score", n), ("ok", n % 2 == 0), ("word", "yes" if n else "no"), ("text", "abc"), ("obj", {"a": 1})):
            mlflow.log_feedback(trace_id=t, name=name, value=value)
        mlflow.log_expectation(trace_id=t, name="e", value=n)
    base = {"experiment_ids": [here], "view_type": "TRACES", "metric_name": "trace_count",
        "aggregations": [{"aggregation_type": "COUNT"}]}
    p50 = [{"aggregation_type": "PERCENTILE", "percentile_value": 50}]
    hour = {"time_interval_seconds": 3600, "start_time_ms": BASE_MS, "end_time_ms": BASE_MS + 20_000_000}
    stats = [{"aggregation_type": kind} for kind in ("COUNT", "SUM", "AVG", "MIN", "MAX")]
    spans, judged = {"view_type": "SPANS", "metric_name": "span_count"}, {"view_type": "ASSESSMENTS",
        "metric_name": "assessment_count"}
    for label, change in {
            "count": {}, "nothing": None, "no experiments": {"experiment_ids": None}, "word": {"experiment_ids": ["abc"]},
            "missing": {"experiment_ids": ["987654321"]}, "no view": {"view_type": None}, "no metric": {"metric_name": None},
            "metric bad": {"metric_name": "color"}, "metric of spans": {"metric_name": "span_count"},
            "no aggregation": {"aggregations": []}, "count by sum": {"aggregations": [{"aggregation_type": "SUM"}]},
            "twice": {"aggregations": [{"aggregation_type": "COUNT"}, {"aggregation_type": "COUNT"}]},
            "latency": {"metric_name": "latency", "aggregations": [{"aggregation_type": "AVG"}]},
            "latency all": {"metric_name": "latency", "aggregations": stats}, "latency p50": {"metric_name": "latency",
            "aggregations": p50}, "p101": {"metric_name": "latency",
            "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 101}]}, "p none": {"metric_name": "latency",
            "aggregations": [{"aggregation_type": "PERCENTILE"}]},
            "p with avg": {"metric_name": "latency", "aggregations": [{"aggregation_type": "AVG", "percentile_value": 5}]},
            "p 99.9": {"metric_name": "latency", "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 99.9}]},
            "by name": {"dimensions": ["trace_name"]}, "by status": {"dimensions": ["trace_status"]},
            "by both": {"dimensions": ["trace_status", "trace_name"]}, "by bad": {"dimensions": ["color"]},
            "by twice": {"dimensions": ["trace_name", "trace_name"]},
            "sessions": {"metric_name": "session_count"}, "tokens": {"metric_name": "total_tokens",
            "aggregations": [{"aggregation_type": "SUM"}]}, "input tokens": {"metric_name": "input_tokens",
            "aggregations": [{"aggregation_type": "SUM"}]}, "hours": hour, "hours by name": {**hour, "dimensions": ["trace_name"]},
            "interval alone": {"time_interval_seconds": 60}, "interval 0": {**hour, "time_interval_seconds": 0},
            "window": {"start_time_ms": BASE_MS + 3_600_000}, "window text": {"start_time_ms": str(BASE_MS + 3_600_000),
            "end_time_ms": str(BASE_MS + 7_200_000)}, "window empty": {"start_time_ms": 1, "end_time_ms": 2},
            "window reversed": {"start_time_ms": 5, "end_time_ms": 2}, "max 1": {"dimensions": ["trace_name"], "max_results": 1},
            "max 0": {"max_results": 0}, "max 5000": {"max_results": 5000},
            "status": {"filters": ["trace.status = 'OK'"]}, "tag": {"filters": ["trace.tag.k = '1'"]},
            "tag quoted": {"filters": ["trace.tag.`k` = '1'"]},
            "session": {"filters": ["trace.metadata.`mlflow.trace.session` = 's1'"]},
            "two filters": {"filters": ["trace.status = 'OK'", "trace.tag.k = '1'"]},
            "filter !=": {"filters": ["trace.status != 'OK'"]}, "filter bad": {"filters": ["status = 'OK'"]},
            "filter word": {"filters": ["abc"]}, "filter empty": {"filters": [""]},
            "filter and": {"filters": ["trace.status = 'OK' AND trace.tag.k = '1'"]},
            "filter key": {"filters": ["trace.color = 'x'"]},
            "filter span": {"filters": ["span.name = 'call'"]}, "filter quotes": {"filters": ['trace.status = "OK"']},
            "filter no quotes": {"filters": ["trace.status = OK"]}, "filter name": {"filters": ["trace.name = 'm0'"]},
            "span count": spans, "span types": {**spans, "dimensions": ["span_type"]}, "span names": {**spans,
            "dimensions": ["span_name", "span_status"]}, "span model": {**spans, "dimensions": ["span_model_name"]},
            "span latency": {**spans, "metric_name": "latency", "aggregations": stats}, "span filter": {**spans,
            "filters": ["span.name = 'call'", "span.status = 'OK'"]}, "span type": {**spans, "filters": ["span.type = 'TOOL'"]},
            "span by trace": {**spans, "filters": ["trace.status = 'ERROR'"]}, "span by trace name": {**spans,
            "dimensions": ["trace_name"]}, "span cost": {**spans, "metric_name": "total_cost",
            "aggregations": [{"aggregation_type": "SUM"}]}, "span hours": {**spans, **hour},
            "assessments": judged, "by assessment": {**judged, "dimensions": ["assessment_name"]}, "by value": {**judged,
            "dimensions": ["assessment_name", "assessment_value"]}, "values": {**judged, "metric_name": "assessment_value",
            "aggregations": stats}, "values by name": {**judged, "metric_name": "assessment_value",
            "aggregations": [{"aggregation_type": "AVG"}], "dimensions": ["assessment_name"]}, "of one": {**judged,
            "filters": ["assessment.name = 'score'"]}, "of kind": {**judged, "filters": ["assessment.type = 'expectation'"]},
            "by trace too": {**judged, "filters": ["trace.status = 'ERROR'"]}, "assessment hours": {**judged, **hour,
            "dimensions": ["assessment_name"]}, "assessment p50": {**judged, "metric_name": "assessment_value", "aggregations": p50,
            "dimensions": ["assessment_name"]}}.items():
        body = {} if change is None else {k: v for k, v in {**base, **change}.items() if v is not None}
        raw.note(label, "POST", at, body)
    corr = "3.0/mlflow/traces/calculate-filter-correlation"
    for label, body in {"nothing": {}, "plain": {"experiment_ids": [here], "filter_string1": "status = 'OK'",
        "filter_string2": "name = 'm0'"}, "none": {"experiment_ids": [here], "filter_string1": "status = 'OK'",
        "filter_string2": "name = 'nobody'"}, "same": {"experiment_ids": [here], "filter_string1": "status = 'OK'",
        "filter_string2": "status = 'OK'"},
                        "base": {"experiment_ids": [here], "filter_string1": "status = 'OK'", "filter_string2": "name = 'm0'",
                        "base_filter": "timestamp > 0"}, "bad": {"experiment_ids": [here], "filter_string1": "color = 'red'",
                        "filter_string2": "name = 'm0'"}, "one filter": {"experiment_ids": [here],
                        "filter_string1": "status = 'OK'"}, "missing": {"experiment_ids": ["987654321"],
                        "filter_string1": "status = 'OK'", "filter_string2": "name = 'm0'"}}.items():
        raw.note(f"correlation {label}", "POST", corr, body)


# -- files -------------------------------------------------------------------------------------------------


@step
def raw_files(s):
    """Files of traces and runs: odd paths, listings, deletion."""
    raw = Raw(s)
    here = experiment(s, "raw files")
    t = chosen(s, "with files", children=[("child", "TOOL", 1, 2, {}, "OK")])
    mlflow.flush_trace_async_logging()
    run = s.name(raw.ask("POST", "2.0/mlflow/runs/create", {"experiment_id": here, "run_name": "r"})[1]["run"]["info"]["run_id"],
        "run files")
    root = "2.0/mlflow-artifacts/artifacts"

    def put(label, path, data=b"text"):
        answer = requests.put(f"{s.uri}/api/{root}/{path}", data=data, timeout=60)
        s.note(label, answer.status_code)

    def get(label, path):
        answer = requests.get(f"{s.uri}/api/{root}/{path}", timeout=60)
        s.note(label, [answer.status_code,
            answer.content if answer.status_code == 200 and len(answer.content) < 100 else len(answer.content) > 0])

    def listed(label, path):
        answer = requests.get(f"{s.uri}/api/{root}", params={"path": path}, timeout=60)
        found = answer.json()
        s.note(label, [answer.status_code, sorted((f["path"], f["is_dir"], f.get("file_size")) for f in found.get("files", []))
                       if answer.status_code == 200 else "error_code" in found])

    files = f"{here}/{run}/artifacts"
    put("put", f"{files}/a.txt")
    put("put again", f"{files}/a.txt", b"other")
    put("put deep", f"{files}/d/e/f.txt")
    put("put unicode", f"{files}/ж 🎈.txt")
    put("put spaces", f"{files}/a%20b.txt")
    put("put percent", f"{files}/100%25.txt")
    put("put bytes", f"{files}/bytes", bytes(range(256)))
    for path in ("a.txt", "d/e/f.txt", "ж 🎈.txt", "a b.txt", "100%25.txt", "nothing"):
        get(f"get {path}", f"{files}/{path}")
    for path in ("", "/d", "/d/e", "/d/", "/nothing"):
        listed(f"list {path}", files + path)
    s.note("delete", raw.ask("DELETE", f"{root}/{files}/a.txt"))
    s.note("delete folder", raw.ask("DELETE", f"{root}/{files}/d"))
    listed("list after", files)
    at = f"{here}/traces/{t}/artifacts"
    image, nothing = "0d5c1b4e-0000-4000-8000-000000000001", "0d5c1b4e-0000-4000-8000-000000000002"
    put("attachment", f"{at}/attachments/{image}", b"img")
    get("get attachment", f"{at}/attachments/{image}")
    get("get no attachment", f"{at}/attachments/{nothing}")
    listed("list attachments", f"{at}/attachments")
    for label, query in {"nothing": {}, "plain": {"request_id": t}, "missing": {"request_id": "tr-" + MISSING},
        "attachment": {"request_id": t, "path": image},
                         "no attachment": {"request_id": t, "path": nothing}}.items():
        answer = requests.get(f"{s.uri}/ajax-api/2.0/mlflow/get-trace-artifact", params=query, timeout=60)
        found = answer.status_code == 200 and answer.content
        s.note(f"trace artifact, {label}",
               [answer.status_code, [span["name"] for span in json.loads(found)["spans"]] if found and label == "plain" else found])
