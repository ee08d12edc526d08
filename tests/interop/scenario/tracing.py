"""tracing - how traces are made: decorators, spans, threads, errors, values.

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import dataclasses
import datetime
import decimal
import math
import threading
import uuid

import mlflow
import pydantic
from mlflow.entities import Link, SpanEvent, SpanStatus, SpanStatusCode, SpanType
from record import step
from scenario.common import BASE_MS, MS, chosen, experiment, flushed, last


@step
def trace_sync(s):
    """@mlflow.trace on plain functions, nested, with defaults, *args and **kwargs."""
    experiment(s, "trace sync")

    @mlflow.trace
    def add(x, y=2, *more, **named):
        return x + y + sum(more) + sum(named.values())

    @mlflow.trace(name="outer", span_type=SpanType.AGENT, attributes={"color": "blue", "n": 3})
    def outer(q):
        return {"q": q, "sum": add(1, 2, 3, z=4), "again": add(1)}

    outer("how?")
    s.note("trace", last(s, "sync"))


@step
def trace_async(s):
    """Async functions: awaited, gathered."""
    experiment(s, "trace async")

    @mlflow.trace(span_type=SpanType.TOOL)
    async def fetch(n):
        await asyncio.sleep(0)
        return n * n

    @mlflow.trace
    async def all_of(numbers):
        return sorted(await asyncio.gather(*[fetch(n) for n in numbers]))

    asyncio.run(all_of([3, 1, 2]))
    s.note("trace", last(s, "async"))


@step
def trace_generators(s):
    """Generators, sync and async: chunks become events, a reducer makes the output."""
    experiment(s, "trace generators")

    @mlflow.trace
    def stream(n):
        for i in range(n):
            yield {"delta": i}

    s.note("items", list(stream(3)))
    s.note("sync", last(s, "generator"))

    @mlflow.trace(output_reducer=lambda chunks: "".join(chunks))
    async def tokens():
        for token in ("a", "b", "ü"):
            yield token

    async def use():
        return [token async for token in tokens()]

    s.note("tokens", asyncio.run(use()))
    s.note("async, reduced", last(s, "async generator"))

    @mlflow.trace
    def breaks():
        yield 1
        raise RuntimeError("half way")

    s.call("broken", lambda: list(breaks()))
    s.note("broken trace", last(s, "broken generator"))


@step
def trace_threads(s):
    """Many threads, one trace each; and one trace over threads by parent_span."""
    experiment(s, "trace threads")
    ids = {}

    @mlflow.trace
    def work(n):
        with mlflow.start_span(f"inner {n}"):
            return n

    def thread(n):
        work(n)
        ids[n] = mlflow.get_last_active_trace_id(thread_local=True)

    threads = [threading.Thread(target=thread, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    s.note("different traces", len(set(ids.values())))
    for n in (0, 11):
        s.note(f"trace {n}", flushed(ids[n], f"thread {n}", s))
    root = mlflow.start_span_no_context("fan out", inputs={"n": 4})

    def child(n):
        mlflow.start_span_no_context(f"part {n}", parent_span=root, inputs={"n": n}).end(outputs=n)

    threads = [threading.Thread(target=child, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    root.end(outputs="done")
    s.note("one trace", flushed(root.trace_id, "fan out", s))


@step
def trace_nested(s):
    """start_span nested: inputs, outputs, attributes, events, types, status, links, description."""
    experiment(s, "trace nested")
    other = chosen(s, "linked")
    linked = flushed(other, "trace linked", s)
    with mlflow.start_span("root", span_type=SpanType.CHAIN, attributes={"a": 1}) as root:
        root.set_inputs({"messages": [{"role": "user", "content": "Hi"}]})
        with mlflow.start_span("retriever", span_type=SpanType.RETRIEVER) as r:
            r.set_outputs([mlflow.entities.Document("text", {"doc_uri": "a.md", "chunk_id": 3}, id="d1")])
        with mlflow.start_span("links", links=[Link(other, linked.data.spans[0].span_id, {"why": "retry", "n": 1})],
                               description="a span with a link", log_level="WARNING") as span:
            span.add_event(SpanEvent("note", timestamp=BASE_MS * MS, attributes={"x": 1, "y": "z", "list": [1, 2]}))
            span.add_link(Link(other, linked.data.spans[0].span_id))
        with mlflow.start_span("custom", span_type="MY_TYPE") as span:
            span.set_status("ERROR")
        with mlflow.start_span("explicit") as span:
            span.set_status(SpanStatus(SpanStatusCode.ERROR, "because"))
        root.set_outputs({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]})
    s.note("trace", last(s, "nested"))
    for kind in ("LLM", "CHAIN", "AGENT", "TOOL", "CHAT_MODEL", "RETRIEVER", "PARSER", "EMBEDDING", "RERANKER",
                 "MEMORY", "UNKNOWN", "WORKFLOW", "TASK", "GUARDRAIL", "EVALUATOR"):
        with mlflow.start_span(f"is {kind}", span_type=kind):
            pass
    s.note("one type", last(s, "types"))


@step
def trace_exceptions(s):
    """An exception marks its spans and the trace, and leaves an event."""
    experiment(s, "trace exceptions")

    class Odd(Exception):
        pass

    @mlflow.trace
    def leaf():
        raise Odd("no 🎈 left")

    @mlflow.trace
    def caught():
        try:
            leaf()
        except Odd:
            return "saved"

    @mlflow.trace
    def uncaught():
        leaf()

    s.call("caught", caught)
    s.note("caught trace", last(s, "caught"))
    s.call("uncaught", uncaught)
    s.note("uncaught trace", last(s, "uncaught"))
    with mlflow.start_span("recorded") as span:
        span.record_exception(ValueError("recorded only"))
    s.note("recorded trace", last(s, "recorded"))


@dataclasses.dataclass
class Point:
    x: int
    label: str


class Model(pydantic.BaseModel):
    name: str
    size: float
    when: datetime.date = datetime.date(2025, 2, 20)


VALUES = {
    "int": 7, "zero": 0, "negative": -3, "big": 2**53 + 1, "int64": 2**63 - 1, "float": 0.1, "whole": 5.0,
    "tiny": 1e-300, "huge": 1.7976931348623157e308, "true": True, "false": False, "none": None, "empty": "", "text": "plain",
    "json text": '{"a": 1}', "json list": "[1, 2]", "quoted": '"quoted"', "number text": "42", "float text": "1.0",
    "bool text": "true", "null text": "null", "space": "  x  ", "lines": "a\nb\tc\r\n", "unicode": "Ünïcödé ж 漢字",
    "emoji": "🎈👩‍👩‍👧", "surrogate": "\\ud83d", "nul": "a\0b", "escapes": 'back\\slash "quote" /', "html": "<b>&amp;</b>",
    "list": [1, "two", None, 3.5, [True]], "empty list": [], "dict": {"a": {"b": [{"c": 1}]}, "": "empty key"}, "empty dict": {},
    "mixed keys": {1: "one", None: "none", True: "yes"}, "tuple": (1, 2), "set of one": {1}, "bytes": b"\x00\xffab",
    "nan": math.nan, "infinity": math.inf, "datetime": datetime.datetime(2025, 2, 20, 12, 30, 15, 123456),
    "date": datetime.date(2025, 2, 20), "uuid": uuid.UUID(int=7), "decimal": decimal.Decimal("1.10"),
    "dataclass": Point(1, "p"), "pydantic": Model(name="m", size=1.5), "long": "0123456789" * 20_000,
}


@step
def trace_values(s):
    """Every kind of value as attribute, as input and as output."""
    experiment(s, "trace values")
    ids = {}
    for name, value in VALUES.items():
        with mlflow.start_span(f"value {name}") as span:
            span.set_inputs({"v": value})
            span.set_attribute("v", value)
            span.set_outputs(value)
        ids[name] = s.name(span.trace_id, f"value {name}")
    mlflow.flush_trace_async_logging()
    for name, trace_id in ids.items():
        s.note(name, mlflow.get_trace(trace_id))


@step
def trace_beyond_int64(s):
    """Inputs that OTLP cannot carry, an int and a nesting: the client uploads a file instead."""
    experiment(s, "trace beyond")
    deep = "x"
    for _ in range(40):
        deep = {"d": [deep]}
    for label, value in (("int", 2**80), ("nesting", deep)):
        mlflow.flush_trace_async_logging()
        with mlflow.start_span(label) as span:
            span.set_inputs({"v": value})
        s.name(span.trace_id, f"beyond {label}")
        mlflow.flush_trace_async_logging()
        s.note(f"info {label}", mlflow.search_traces(return_type="list", include_spans=False)[0].info.request_preview)
        # How deep values nest before the rest is text is the server's own choice.
        s.call(f"spans {label}", lambda: [[found.name, str(found.inputs).count("d"), str(found.inputs).count(str(2**80))]
                                          for found in mlflow.get_trace(span.trace_id).data.spans])


@step
def trace_deep_and_wide(s):
    """Deeply nested values, many attributes, long and odd names."""
    experiment(s, "trace deep")
    for depth in (5, 12):
        deep = "x"
        for _ in range(depth):
            deep = {"d": [deep]}
        with mlflow.start_span(f"deep {depth}") as span:
            span.set_inputs(deep)
        s.name(span.trace_id, f"deep {depth}")
        mlflow.flush_trace_async_logging()
        s.call(f"deep {depth}", mlflow.get_trace, span.trace_id)
    with mlflow.start_span("many attributes") as span:
        span.set_attributes({f"attribute.{i}": i for i in range(100)})
    s.note("many attributes", last(s, "many attributes"))
    for name in ("", " ", "a/b\\c", "name with 'quotes' and \"more\"", "ж" * 300, "line\nbreak", "%_like"):
        with mlflow.start_span(name):
            pass
        s.note(f"name {name[:40]!r}", last(s, f"named {name[:10]!r}"))
    with mlflow.start_span("hundred") as root:
        for i in range(100):
            with mlflow.start_span(f"child {i:03}") as span:
                span.set_attribute("i", i)
    trace = last(s, "hundred")
    s.note("spans", sorted(span.name for span in trace.data.spans))
    s.note("all children of root", {span.parent_id == root.span_id for span in trace.data.spans[1:]})


@step
def trace_usage(s):
    """Token usage and cost: summed over spans, an ancestor's own figure wins."""
    experiment(s, "trace usage")

    def llm(name, tokens, parent=None, more=None):
        span = mlflow.start_span_no_context(name, span_type=SpanType.CHAT_MODEL, parent_span=parent,
                                            start_time_ns=BASE_MS * MS, inputs={"q": name})
        if tokens:
            span.set_attribute("mlflow.chat.tokenUsage", tokens)
        for key, value in (more or {}).items():
            span.set_attribute(key, value)
        return span

    def usage(i, o, **more):
        return {"input_tokens": i, "output_tokens": o, "total_tokens": i + o, **more}

    root = llm("flat", None)
    for n in (1, 2, 3):
        llm(f"call {n}", usage(10 * n, n), root).end(end_time_ns=BASE_MS * MS + n * MS)
    root.end(end_time_ns=BASE_MS * MS + 10 * MS)
    flat = flushed(root.trace_id, "flat usage", s)
    s.note("flat", [flat.info.token_usage, flat.info.cost, flat])

    root = llm("rolled up", usage(100, 5, cache_read_input_tokens=50))
    llm("part", usage(60, 3, cache_read_input_tokens=50), root).end(end_time_ns=BASE_MS * MS + MS)
    root.end(end_time_ns=BASE_MS * MS + 2 * MS)
    rolled = flushed(root.trace_id, "rolled usage", s)
    s.note("rolled up", [rolled.info.token_usage, rolled])

    root = llm("priced", None)
    llm("priced call", usage(1000, 100), root,
        {"mlflow.llm.model": "gpt-4o-mini", "mlflow.llm.provider": "openai",
         "mlflow.llm.cost": {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}}).end(end_time_ns=BASE_MS * MS + MS)
    root.end(end_time_ns=BASE_MS * MS + 2 * MS)
    priced = flushed(root.trace_id, "priced", s)
    s.note("priced", [priced.info.token_usage, priced.info.cost, priced])

    with mlflow.start_span("odd usage") as span:
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3})
    s.note("odd", last(s, "odd usage"))


@step
def trace_update_current(s):
    """update_current_trace: tags, metadata, session, user, previews, client_request_id, state."""
    experiment(s, "trace update")

    @mlflow.trace
    def app(q):
        mlflow.update_current_trace(
            tags={"env": "prod", "n": 1}, metadata={"build": "17", "long": "x" * 400}, client_request_id="req-1",
            request_preview="asked 🎈", response_preview="answered", session_id="session-1", user="user-1")
        return q

    app("full question")
    s.note("all", last(s, "updated"))

    @mlflow.trace
    def failing():
        mlflow.update_current_trace(state="ERROR")
        return "fine"

    failing()
    s.note("state", last(s, "state"))

    @mlflow.trace
    def wrong():
        mlflow.update_current_trace(state="IN_PROGRESS")

    s.call("bad state", wrong)

    @mlflow.trace
    def long_preview(messages):
        return {"messages": [{"role": "assistant", "content": "y" * 3000}]}

    long_preview([{"role": "system", "content": "be"}, {"role": "user", "content": "x" * 3000}])
    s.note("long previews", last(s, "long previews"))

    @mlflow.trace
    def plain_long(text):
        return {"text": text}

    plain_long("é" * 3000)
    s.note("long plain", last(s, "long plain"))
    s.call("no active trace", mlflow.update_current_trace, tags={"a": "b"})
    with mlflow.tracing.context(metadata={"ctx": "1"}, tags={"ctx.tag": "t"}):
        app_context = mlflow.trace(lambda: "in context", name="in_context")
        app_context()
    s.note("context", last(s, "context"))


@step
def trace_lookup(s):
    """get_last_active_trace_id, get_active_trace_id, get_trace of what is not there."""
    experiment(s, "trace lookup")
    with mlflow.start_span("open") as span:
        s.note("active", mlflow.get_active_trace_id() == span.trace_id)
    s.note("none active", mlflow.get_active_trace_id())
    s.note("last", mlflow.get_last_active_trace_id() == span.trace_id)
    s.call("missing", mlflow.get_trace, "tr-" + "0" * 32)
    s.call("missing, client", mlflow.MlflowClient().get_trace, "tr-" + "0" * 32)
    s.call("no id at all", mlflow.get_trace, "nonsense")
    s.call("empty", mlflow.MlflowClient().get_trace, "")
    s.call("a path", mlflow.MlflowClient().get_trace, "../../etc")
    trace = last(s, "open")
    s.note("json round trip", mlflow.entities.Trace.from_json(trace.to_json()).to_dict() == trace.to_dict())
    s.note("search in it", [span.name for span in trace.search_spans(name="open")])


@step
def trace_unfinished(s):
    """What a crash leaves: children are there, the root never ended."""
    experiment(s, "trace unfinished")
    root = mlflow.start_span_no_context("never ends")
    s.name(root.trace_id, "unfinished")
    for n in range(5):  # as many as a batch holds
        mlflow.start_span_no_context(f"child {n}", parent_span=root).end(outputs=n)
    mlflow.flush_trace_async_logging()
    s.call("get", mlflow.get_trace, root.trace_id)
    found = mlflow.search_traces(locations=[mlflow.get_experiment_by_name("trace unfinished").experiment_id],
                                 return_type="list", include_spans=False)
    s.note("found", [t.info.state for t in found])
    root.end(outputs="late")
    s.note("ended", flushed(root.trace_id, "unfinished", s))


@step
def trace_log_and_add(s):
    """log_trace, and add_trace of a trace from elsewhere."""
    experiment(s, "trace log")
    made = mlflow.log_trace(name="logged", request="what?", response={"a": 1}, tags={"fruit": "apple"},
                            attributes={"model": "x"},
                            start_time_ms=BASE_MS, execution_time_ms=5129)
    s.note("logged", flushed(made, "logged", s))
    foreign = flushed(chosen(s, "foreign", children=[("kid", "TOOL", 1, 2, {"a": 1}, "OK")]), "trace foreign", s)
    with mlflow.start_span("host"):
        mlflow.add_trace(foreign)
    merged = last(s, "merged")  # its time is a race between two requests
    names = {span.span_id: span.name for span in merged.data.spans}
    s.note("merged", sorted([span.name, names.get(span.parent_id), span.attributes] for span in merged.data.spans))
    mlflow.add_trace(foreign.to_dict())
    mlflow.flush_trace_async_logging()
    s.note("names", sorted(str(t.info.tags.get("mlflow.traceName")) for t in mlflow.search_traces(return_type="list")))


@step
def trace_other_experiment(s):
    """A trace goes where its experiment is; an experiment that is deleted or missing."""
    here = experiment(s, "trace here")
    there = s.name_experiment(mlflow.MlflowClient().create_experiment("trace there"), "trace there")
    root = mlflow.start_span_no_context("sent there", experiment_id=there)
    root.end()
    s.note("there", flushed(root.trace_id, "there", s).info.experiment_id)
    s.note("here", len(mlflow.search_traces(locations=[here])))
    s.note("both", len(mlflow.search_traces(locations=[here, there])))
    s.call("search in a missing one", mlflow.search_traces, locations=["987654321"])
    mlflow.MlflowClient().delete_experiment(there)
    s.call("search in a deleted one", mlflow.search_traces, locations=[there], return_type="list", include_spans=False)
    s.call("trace of a deleted one", lambda: mlflow.get_trace(root.trace_id).info.state)
