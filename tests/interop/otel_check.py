"""otel_check - reads back what an OpenTelemetry SDK sent, over REST and with `tracejudge show --json`.

SPDX-License-Identifier: Apache-2.0
"""
import base64


def stored(case, trace_id):
    """`tracejudge show --json` of it, on the store of the running server."""
    return case.ok("show", "--json", trace_id).json()[0]


def rest(server, trace_id):
    return server.json("GET", f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}")["trace"]


def spans_of(server, trace_ids):
    """(trace id, name) of every stored span of these traces."""
    out, ids = [], sorted(trace_ids)
    for at in range(0, len(ids), 10):
        query = "&".join(f"trace_ids=tr-{i}" for i in ids[at:at + 10])
        for found in server.json("GET", f"/api/3.0/mlflow/traces/batchGet?{query}").get("traces", []):
            out += [(found["trace_info"]["trace_id"][3:], span["name"]) for span in found["spans"]]
    return out


def experiment_of(server, trace_id):
    location = rest(server, trace_id)["trace_info"]["trace_location"]
    wanted = location["mlflow_experiment"]["experiment_id"]
    return server.json("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={wanted}")["experiment"]


def any_value(value):
    """OTLP's AnyValue as a plain one."""
    (kind, inner), = value.items() if value else (("none", None),)
    if kind == "array_value":
        return [any_value(v) for v in inner.get("values", [])]
    if kind == "kvlist_value":
        return {pair["key"]: any_value(pair["value"]) for pair in inner.get("values", [])}
    return int(inner) if kind == "int_value" else inner


def attributes(pairs):
    return {pair["key"]: any_value(pair["value"]) for pair in pairs or []}


def check_complete(case, server, trace_id, language):
    """All that send_everything (Python, Node) put into one trace."""
    found = rest(server, trace_id)
    spans = {span["name"]: span for span in found["spans"]}
    assert sorted(spans) == ["broken", "child", "root"], sorted(spans)
    root, child, broken = spans["root"], spans["child"], spans["broken"]
    for span in spans.values():
        assert base64.b64decode(span["trace_id"]).hex() == trace_id
        assert int(span["start_time_unix_nano"]) <= int(span["end_time_unix_nano"])
    assert "parent_span_id" not in root and child["parent_span_id"] == broken["parent_span_id"] == root["span_id"]
    assert root["status"]["code"] == "STATUS_CODE_OK" and broken["status"]["code"] == "STATUS_CODE_ERROR"
    assert "it broke ж" in broken["status"]["message"]
    assert found["trace_info"]["state"] == "OK"
    assert found["trace_info"]["tags"]["mlflow.traceName"] == "root"

    fields = {span["name"]: span["fields"] for span in stored(case, trace_id)["spans"]}
    wanted = {"text": "ж 🎈", "int": 42, "big": 2**62 if language == "python" else 2**53, "negative": -1, "float": 0.5,
              "true": True, "false": False, "list": ["a", "b"],
              "numbers": [1, 2, 3], "floats": [0.5, 1.5], "empty": "", "json": {"a": [1]}, "long": "x" * 100_000}
    for key, value in wanted.items():
        kept = fields["root"][f"attributes.{key}"]
        assert kept == value and type(kept) is type(value), (key, kept)
    assert fields["root"]["events.0.name"] == "progress" and fields["root"]["events.0.percent"] == 50
    assert fields["root"]["links.0.link.why"] == "retry" and fields["root"]["links.0.link.n"] == 2
    assert [event["name"] for event in broken["events"]] == ["exception"]
    exception = {k[len("events.0."):]: v for k, v in fields["broken"].items() if k.startswith("events.0.")}
    kind = {"python": "ValueError", "node": "Error"}[language]
    assert (exception["exception.type"], exception["exception.message"]) == (kind, "it broke ж"), exception
    assert "it broke" in exception["exception.stacktrace"]
    links = root.get("links", [])
    assert [base64.b64decode(link["trace_id"]).hex() for link in links] == ["11112222333344445555666677778888"], root.keys()
    assert attributes(links[0]["attributes"])["link.why"] in ("retry", '"retry"')
    assert stored(case, trace_id)["spans"][0]["links"] == [{"trace_id": "11112222333344445555666677778888", "span_id": "1111222233334444"}]
    said = stored(case, trace_id)["resources"][0]
    for key, value in {"service.name": "shop", "service.version": "1.2.3", "host.cpus": 4, "flags": [True, False]}.items():
        assert said["resource"][key] == value, said
    assert (said["scope"]["name"], said["scope"]["version"]) == ("my.library", "0.9"), said
    if language == "python":  # Node's API has no attributes of a scope
        assert said["scope"]["attributes"] == {"scope.key": "scope value"}, said
