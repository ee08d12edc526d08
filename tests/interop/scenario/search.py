"""search - search_traces: every row of the filter language, its errors, order and paging.

SPDX-License-Identifier: Apache-2.0

One set of traces with chosen times, so that each filter has one right answer; a result is the list of
the traces' names in the order they came.
"""
import mlflow
from mlflow.entities import AssessmentSource
from record import step
from scenario.common import BASE_MS, chosen, experiment

STATE = {}


def tool(name, offset, took, attributes=None, code="OK"):
    return (name, "TOOL", offset, took, attributes or {}, code)


def corpus(s):
    """Eight traces; made once."""
    if STATE:
        return STATE
    STATE["id"] = experiment(s, "search")
    feedback, expect = mlflow.log_feedback, mlflow.log_expectation
    session, user = "mlflow.trace.session", "mlflow.trace.user"

    def made(label, *args, **more):
        STATE[label] = chosen(s, label, *args, **more)
        return STATE[label]

    made("alpha", 0, 100, inputs={"q": "cheap flight"}, outputs="none found", tags={"env": "prod", "n": "1"},
         metadata={session: "s-1", user: "ann", "build": "17"},
         children=[tool("fetch", 10, 20, {"model": "gpt-4o", "tries": 2, "deep": {"a": [1, "x"]}}),
                   ("chat", "LLM", 30, 40, {"model": "claude", "temp": 0.5}, "OK")])
    made("beta", 1000, 2500, status="ERROR", inputs={"q": "dear hotel"}, tags={"env": "dev", "n": "2"},
         metadata={session: "s-1", user: "bob"}, children=[tool("fetch", 1, 2000, {"model": "gpt-4o"}, "ERROR")])
    made("gamma", 2000, 100, inputs="plain words", outputs={"text": "100% _sure_"}, tags={"env": "prod"},
         metadata={session: "s-2", user: "ann", "build": "18"}, children=[tool("Fetch Data", 1, 2)])
    made("delta", 3000, 50, inputs={"q": "ÜNÏCÖDÉ 🎈"}, tags={"env": "Prod", "a b": "spaced", "dotted.key": "d"},
         metadata={"mlflow.modelId": "m-1"})
    made("it's", 4000, 5000, inputs={"q": "quote"}, tags={"note": "it's", "double": 'say "hi"'})
    made("epsilon", 4500, 1, status="ERROR", tags={"env": ""})
    made("zeta", 5000, 700, tags={"n": "10"}, children=[("chat", "LLM", 1, 2, {"model": "gpt-4o-mini"}, "ERROR")])
    made("alphabet", 6000, 700, metadata={"build": "17"})
    mlflow.flush_trace_async_logging()
    human = AssessmentSource(source_type="HUMAN", source_id="ann")
    for label, value in (("alpha", "yes"), ("beta", "no"), ("gamma", "Yes"), ("delta", True), ("it's", 5), ("zeta", 0.25),
                         ("alphabet", ["yes"])):
        feedback(trace_id=STATE[label], name="verdict", value=value, source=human)
    for label, value in (("alpha", 1), ("beta", 0.5), ("gamma", 10), ("delta", -2.0), ("it's", "7"), ("epsilon", False)):
        feedback(trace_id=STATE[label], name="score", value=value)
    feedback(trace_id=STATE["zeta"], name="score", error=ValueError("broke"))
    expect(trace_id=STATE["alpha"], name="answer", value="42")
    expect(trace_id=STATE["beta"], name="answer", value={"a": [1]})
    feedback(trace_id=STATE["alpha"], name="a b.c", value="odd name")
    mlflow.override_feedback(trace_id=STATE["beta"], value="maybe",
                             assessment_id=feedback(trace_id=STATE["beta"], name="changed", value="first").assessment_id)
    return STATE


def names(filter_string=None, order_by=None, **more):
    found = mlflow.search_traces(locations=more.pop("locations", [STATE["id"]]), filter_string=filter_string,
                                 order_by=order_by, return_type="list", include_spans=False, **more)
    return [t.info.tags.get("mlflow.traceName") for t in found]


def sizeless(value):
    return {k: v for k, v in value.items() if not k.startswith("mlflow.trace.size")} if isinstance(value, dict) else value


def each(s, filters):
    corpus(s)
    for text in filters:
        s.call(text, names, text)


@step
def search_attributes(s):
    """Status, times, ids, name: each with each operator."""
    c = corpus(s)
    each(s, [
        "status = 'OK'", "status = 'ERROR'", "status != 'OK'", "trace.status = 'OK'", "attributes.status = 'ERROR'",
        "attribute.status = 'ERROR'", "status IN ('OK', 'ERROR')", "status IN ('ERROR')", "status NOT IN ('ERROR')",
        "status LIKE 'O%'", "status ILIKE 'o%'", "status RLIKE '^(OK|X)$'", "status = 'ok'", "status = 'IN_PROGRESS'",
        "STATUS = 'OK'", "status='OK'", 'status = "OK"', "  status   =   'OK'  ", "status = 'OK' and status = 'ERROR'",
        f"timestamp > {BASE_MS + 4000}", f"timestamp >= {BASE_MS + 4000}", f"timestamp < {BASE_MS + 1000}",
        f"timestamp <= {BASE_MS + 1000}", f"timestamp = {BASE_MS + 1000}", f"timestamp != {BASE_MS + 1000}",
        f"timestamp_ms > {BASE_MS} AND timestamp_ms < {BASE_MS + 3000}", f"attributes.timestamp_ms > {BASE_MS + 5000}",
        "execution_time > 700", "execution_time >= 700", "execution_time_ms < 100", "execution_time = 100",
        "attributes.execution_time_ms >= 2500", "execution_time != 700", f"end_time > {BASE_MS + 6000}",
        f"end_time_ms <= {BASE_MS + 100}", f"end_time = {BASE_MS + 9000}", "timestamp > 0", "timestamp > -1", "timestamp > 1.5",
        f"request_id = '{c['alpha']}'", f"attributes.request_id = '{c['beta']}'", f"request_id != '{c['alpha']}'",
        f"request_id IN ('{c['alpha']}', '{c['gamma']}')", f"request_id NOT IN ('{c['alpha']}', '{c['gamma']}')",
        "request_id LIKE 'tr-%'", "request_id RLIKE '^tr-[0-9a-f]{32}$'",
        "client_request_id = 'nobody'", "name = 'alpha'", "name != 'alpha'", "name LIKE 'alpha%'", "name ILIKE 'ALPHA%'",
        "name RLIKE '^.{4}$'", "attributes.name RLIKE 'eta$'", "trace.name = 'zeta'", "name LIKE '%''%'", 'name = "it\'s"',
        "name LIKE 'alph_'", "name LIKE '_lpha'", "name IN ('alpha', 'beta')", "name = ''",
    ])
    s.call("beginning of an id", names, f"request_id LIKE '{c['alpha'][:12]}%'")


@step
def search_tags_and_metadata(s):
    """Tags and metadata: quoting of keys, missing keys, NULL, case."""
    each(s, [
        "tag.env = 'prod'", "tags.env = 'prod'", "tag.env != 'prod'", "tag.env LIKE 'pro%'", "tag.env ILIKE 'PRO%'",
        "tag.env RLIKE '^[pd]'", "tag.env IS NULL", "tag.env IS NOT NULL", "tags.env = ''", "tag.nothing IS NULL",
        "tag.nothing IS NOT NULL", "tag.nothing = 'x'", "tag.nothing != 'x'", "tag.`a b` = 'spaced'", 'tag."a b" = \'spaced\'',
        "tag.dotted.key = 'd'", "tag.`dotted.key` = 'd'", "tag.note = \"it's\"", "tag.double = 'say \"hi\"'",
        "tag.note LIKE '%s'", "tag.n = '1'", "tag.n > '1'", "tag.`mlflow.traceName` = 'alpha'", "tag.mlflow.traceName = 'beta'",
        "tags.`mlflow.trace.spansLocation` = 'TRACKING_STORE'", "tag.n IN ('1')", "tags.n is null", "tags.n is not null",
        "metadata.build = '17'", "request_metadata.build = '17'", "metadata.build != '17'", "metadata.build LIKE '1_'",
        "metadata.build ILIKE '1%'", "metadata.build RLIKE '8$'", "metadata.build IS NULL", "metadata.build IS NOT NULL",
        "request_metadata.`mlflow.trace.session` = 's-1'", "request_metadata.mlflow.trace.session = 's-1'",
        "metadata.\"mlflow.trace.session\" = 's-2'", "request_metadata.mlflow.trace.session ILIKE '%S-%'",
        "request_metadata.\"mlflow.trace.user\" = 'ann'", "request_metadata.\"mlflow.modelId\" = 'm-1'",
        "metadata.`mlflow.trace.user` != 'ann'", "tag.env = 'prod' AND metadata.`mlflow.trace.user` = 'ann'",
        "tag.env = 'prod' AND tag.n = '1'", "tag.env IS NOT NULL AND tag.n IS NULL AND status = 'OK'",
    ])


@step
def search_spans(s):
    """Span conditions hold on one span; text searches what spans hold."""
    each(s, [
        "span.name = 'fetch'", "span.name != 'fetch'", "span.name LIKE 'Fetch%'", "span.name ILIKE 'fetch%'",
        "span.name RLIKE '^(fetch|chat)$'", "span.name IN ('fetch', 'chat')", "span.name NOT IN ('fetch', 'chat')",
        "span.type = 'TOOL'", "span.type = 'LLM'", "span.type ILIKE 'tool'", "span.type != 'CHAIN'", "span.type IN ('LLM')",
        "span.status = 'ERROR'", "span.status != 'OK'", "span.status IN ('ERROR', 'UNSET')", "span.status = 'UNSET'",
        "span.name = 'chat' AND span.status = 'ERROR'", "span.name = 'fetch' AND span.status = 'ERROR'",
        "span.name = 'fetch' AND span.type = 'LLM'", "span.type = 'TOOL' AND tag.env = 'prod'",
        "span.name = 'nothing'", "span.content LIKE '%flight%'", "span.content ILIKE '%FLIGHT%'", "span.content LIKE '%FLIGHT%'",
        "trace.text ILIKE '%hotel%'", "trace.text LIKE '%plain words%'", "trace.text LIKE '%nowhere%'",
        "attributes.text ILIKE '%sure%'", "span.name ILIKE '%fetch%' AND trace.text ILIKE '%gpt%'",
        "span.attributes.model LIKE '%gpt-4o%'", "span.attributes.model ILIKE '%CLAUDE%'", "span.attributes.model LIKE '%nobody%'",
        "span.attributes.tries LIKE '%2%'", "span.attributes.nothing LIKE '%x%'", "span.name LIKE '%'",
        "span.name = 'fetch' AND span.attributes.model LIKE '%gpt%'", "span.name = 'chat' AND span.attributes.model LIKE '%gpt%'",
    ])


@step
def search_assessments(s):
    """Feedback and expectations: text, numbers, NULL, overridden ones."""
    each(s, [
        "feedback.verdict = 'yes'", "feedback.verdict != 'yes'", "feedback.verdict = 'Yes'", "feedback.verdict ILIKE '%YES%'",
        "feedback.verdict LIKE '%yes%'", "feedback.verdict LIKE 'yes%'", "feedback.verdict RLIKE 'no|maybe'",
        "feedback.verdict = 'true'", "feedback.verdict = '5.0'", "feedback.verdict = '5'", "feedback.verdict = '0.25'",
        "feedback.verdict IS NULL", "feedback.verdict IS NOT NULL", "feedback.nothing IS NULL", "feedback.nothing IS NOT NULL",
        "feedback.score > 0.5", "feedback.score >= 0.5", "feedback.score < 1", "feedback.score <= 1", "feedback.score > -5",
        "feedback.score >= 10", "feedback.score = '1.0'", "feedback.score = '10.0'", "feedback.score > 1 AND tag.env = 'prod'",
        "feedback.score IS NULL", "feedback.`a b.c` = 'odd name'", "feedback.\"a b.c\" = 'odd name'", "feedback.`verdict` = 'no'",
        "feedback.changed = 'maybe'", "feedback.changed = 'first'", "expectation.answer = '42'", "expectation.`answer` != '42'",
        "expectation.answer LIKE '%a%'", "expectation.answer IS NOT NULL", "expectation.answer IS NULL", "expectation.answer > 41",
        "feedback.verdict = 'yes' AND feedback.score >= 1", "feedback.verdict IS NOT NULL AND feedback.score IS NULL",
        "issue.id = 'iss-1'",
    ])


@step
def search_filter_errors(s):
    """What is refused, and with which words."""
    each(s, [
        "status", "status =", "= 'OK'", "status = OK", "status == 'OK'", "status <> 'OK'", "status > 'OK'", "status = 5",
        "color = 'red'", "trace.color = 'red'", "attributes.color = 'red'", "thing.color = 'red'", "tag. = 'x'",
        "timestamp = '5'", "timestamp LIKE '5'", "timestamp > abc", "timestamp IN (1, 2)", "execution_time IS NULL",
        "status = 'OK' AND", "AND status = 'OK'", "status = 'OK' status = 'ERROR'", "status = 'OK'; DROP TABLE spans",
        "status = 'OK", "tag.env = prod", "tag.env = 5", "tag.env BETWEEN 'a' AND 'b'", "metadata.build > '1'", "metadata.build = 17",
        "span.color = 'red'", "span.attributes. = 'x'", "span.name > 'a'", "span.content = 'x'", "span.content RLIKE 'x'",
        "span.name IS NULL", "feedback. = 'x'", "feedback.score > 'x'", "feedback.score > '5'", "feedback.score = 5",
        "feedback.verdict IN ('yes')", "issue.name = 'x'", "issue.id LIKE 'x'", "prompt = 'no slash'", "prompt LIKE 'a/1'",
        "prompt = 'a/b/c'", "status IN ()", "status IN ('OK'", "status IN 'OK'", "status IN (OK)", "request_id > 'x'",
        "name > 'x'", "run_id > 'x'", "status IS NOT 'OK'", "tag.env IS", "('status' = 'OK')", "1 = 1", "''", "'OK' = status",
    ])


@step
def search_order(s):
    """order_by: each key, both directions, ties, nulls, errors."""
    corpus(s)
    for order in (["timestamp ASC"], ["timestamp DESC"], ["timestamp"], ["timestamp_ms asc"], ["execution_time ASC"],
                  ["execution_time_ms DESC"], ["status ASC", "timestamp ASC"], ["status DESC"], ["name ASC"], ["name DESC"],
                  ["tag.env ASC"], ["tag.env DESC"], ["tag.n"], ["metadata.build ASC"], ["metadata.build DESC"],
                  ["request_metadata.`mlflow.trace.session` ASC", "execution_time DESC"], ["attributes.timestamp DESC"],
                  ["trace.status", "name DESC"], ["experiment_id", "timestamp ASC"], ["run_id ASC"], ["tag.`a b`"], [],
                  ["color"], ["timestamp SIDEWAYS"], ["timestamp ASC", "timestamp DESC"], ["feedback.score"], ["span.name"], [""],
                  ["timestamp ASC, name DESC"], ["prompt"], ["client_request_id"]):
        s.call(f"order {order}", names, None, order)
    s.call("with a filter", names, "tag.env IS NOT NULL", ["tag.env DESC", "timestamp ASC"])
    found = names(None, ["request_id ASC"])
    ids = [t.info.trace_id for t in mlflow.search_traces(locations=[STATE["id"]], order_by=["request_id ASC"],
                                                         return_type="list", include_spans=False)]
    s.note("by id", [ids == sorted(ids), sorted(found)])
    here = experiment(s, "search ties")
    for n in range(5):
        chosen(s, f"tie {n}", start=n // 4)
    mlflow.flush_trace_async_logging()
    for order in (None, ["timestamp ASC"], ["execution_time DESC"], ["status ASC", "timestamp DESC"]):
        found = mlflow.search_traces(locations=[here], order_by=order, return_type="list", include_spans=False)
        ids = [t.info.trace_id for t in found if t.info.tags["mlflow.traceName"] != "tie 4"]
        s.note(f"ties {order}", [ids == sorted(ids), [t.info.tags["mlflow.traceName"] for t in found].index("tie 4")])


@step
def search_paging(s):
    """Pages of the client, limits, tokens that are none."""
    c = corpus(s)
    client = mlflow.MlflowClient()

    def page(**more):
        return client.search_traces(locations=[c["id"]], include_spans=False, **more)

    for size in (3, 8, 100):
        seen, token, pages = [], None, 0
        while pages < 10:
            found = page(max_results=size, page_token=token, order_by=["timestamp ASC"])
            seen += [t.info.tags["mlflow.traceName"] for t in found]
            pages, token = pages + 1, found.token
            if not token:
                break
        s.note(f"pages of {size}", [seen, len(seen) == 8])
    seen, token = [], None
    while True:
        found = page(max_results=2, page_token=token, filter_string="status = 'OK'", order_by=["tag.env ASC", "name DESC"])
        seen += [t.info.tags["mlflow.traceName"] for t in found]
        token = found.token
        if not token:
            break
    s.note("pages with filter and order", seen)
    for size in (0, -1, 501, 1_000_000):
        s.call(f"max_results {size}", lambda size=size: len(page(max_results=size)))
    s.call("bad token", lambda: len(page(page_token="nonsense!")))
    s.call("no locations", mlflow.MlflowClient().search_traces, locations=[])
    s.call("fluent max_results", lambda: names(max_results=3))
    s.call("fluent many", lambda: len(names(max_results=1000)))


@step
def search_forms(s):
    """With and without spans, list and pandas, extract_fields, sessions."""
    c = corpus(s)
    with_spans = mlflow.search_traces(locations=[c["id"]], filter_string="name = 'alpha'", return_type="list")
    s.note("with spans", with_spans)
    without = mlflow.search_traces(locations=[c["id"]], filter_string="name = 'alpha'", return_type="list", include_spans=False)
    s.note("without spans", [without[0].info, len(without[0].data.spans)])
    frame = mlflow.search_traces(locations=[c["id"]], order_by=["timestamp ASC"])
    s.note("columns", list(frame.columns))
    s.note("kinds", [str(kind) for kind in frame.dtypes])
    for column in ("trace_id", "state", "request_time", "execution_duration", "request", "response", "trace_metadata",
                   "tags", "client_request_id"):
        if column in frame.columns:
            s.note(f"column {column}", [str(v) if column == "state" else sizeless(v) for v in frame[column].tolist()])
    s.note("spans column", [[span.get("name") for span in spans] for spans in frame["spans"].tolist()])
    s.note("empty frame", mlflow.search_traces(locations=[c["id"]], filter_string="name = 'nobody'"))
    s.call("sessions", lambda: sorted((session.id, [t.info.tags["mlflow.traceName"] for t in session])
                                      for session in mlflow.search_sessions(locations=[c["id"]])))
    s.call("two experiments", lambda: names(locations=[c["id"], "0"], order_by=["timestamp ASC"]))
    s.call("no filter", names)
    s.call("flush", lambda: names(flush=True))
    s.call("model_id", lambda: names(model_id="m-1"))
    s.call("correlation", lambda: vars(mlflow.tracking.MlflowClient()._tracing_client.calculate_trace_filter_correlation(
        [c["id"]], "status = 'ERROR'", "span.status = 'ERROR'")))
