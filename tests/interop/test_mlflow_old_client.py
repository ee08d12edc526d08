"""test_mlflow_old_client - an mlflow client of 2025 that knows no OTLP: it uploads traces.json.

SPDX-License-Identifier: Apache-2.0
"""
import logging
import sys
import warnings

import harness
import mlflow
from mlflow.entities import AssessmentSource, SpanType
from server import Server


logging.getLogger("mlflow").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=FutureWarning)


def connect(server, experiment):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment(experiment)


def traced():
    """Root and child, a value of each kind, an event; the id of the trace."""
    with mlflow.start_span("root", span_type=SpanType.AGENT) as root:
        root.set_inputs({"q": "ж 🎈", "n": 3, "deep": {"a": [1, 2.5, None, True]}})
        root.set_attributes({"text": "x", "number": 7, "half": 0.5, "list": [1, "a"]})
        with mlflow.start_span("tool", span_type=SpanType.TOOL) as tool:
            tool.set_outputs(["one", {"two": 2}])
        root.set_outputs("answer")
    mlflow.flush_trace_async_logging()
    return root.trace_id


def test_version(case):
    assert mlflow.__version__.startswith("3.5."), mlflow.__version__


def test_trace(case):
    """get_trace gives back what was uploaded; so does our own command line."""
    with Server(case) as server:
        connect(server, "old")
        trace_id = traced()
        trace = mlflow.get_trace(trace_id)
        assert trace is not None and trace.info.state == "OK"
        spans = {span.name: span for span in trace.data.spans}
        assert sorted(spans) == ["root", "tool"]
        assert spans["root"].inputs == {"q": "ж 🎈", "n": 3, "deep": {"a": [1, 2.5, None, True]}}
        assert (spans["root"].outputs, spans["tool"].outputs) == ("answer", ["one", {"two": 2}])
        assert (spans["root"].span_type, spans["tool"].span_type) == ("AGENT", "TOOL")
        assert {k: spans["root"].get_attribute(k) for k in ("text", "number", "half", "list")} == {
            "text": "x", "number": 7, "half": 0.5, "list": [1, "a"]}
        assert spans["tool"].parent_id == spans["root"].span_id
        shown = case.ok("show", "--json", trace_id).json()[0]
        assert sorted(span["name"] for span in shown["spans"]) == ["root", "tool"]


def test_exception(case):
    with Server(case) as server:
        connect(server, "old")

        @mlflow.trace
        def breaks():
            raise ValueError("it broke ж")

        try:
            breaks()
        except ValueError:
            pass
        mlflow.flush_trace_async_logging()
        trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
        span = trace.data.spans[0]
        assert (trace.info.state, span.status.status_code.value) == ("ERROR", "ERROR")
        assert [event.name for event in span.events] == ["exception"]
        assert span.events[0].attributes["exception.message"] == "it broke ж"


def test_search(case):
    """By status, tag and - what MLflow cannot with such a client - by span."""
    with Server(case) as server:
        connect(server, "old")
        ids = [traced() for _ in range(3)]
        mlflow.set_trace_tag(ids[1], "color", "blue")
        for text, wanted in (("status = 'OK'", 3), ("tags.color = 'blue'", 1), ("span.name = 'tool'", 3), ("span.type = 'AGENT'", 3),
                             ("trace.text ILIKE '%ж 🎈%'", 3), ("name = 'root'", 3), ("status = 'ERROR'", 0)):
            found = mlflow.search_traces(filter_string=text, return_type="list")
            assert len(found) == wanted, (text, len(found))
            assert all(len(trace.data.spans) == 2 for trace in found), text
        frame = mlflow.search_traces()
        assert sorted(frame["trace_id"]) == sorted(ids)
        first = mlflow.MlflowClient().search_traces(experiment_ids=[mlflow.get_experiment_by_name("old").experiment_id], max_results=2)
        rest = mlflow.MlflowClient().search_traces(experiment_ids=[mlflow.get_experiment_by_name("old").experiment_id],
                                                   max_results=2, page_token=first.token)
        assert sorted(trace.info.trace_id for trace in list(first) + list(rest)) == sorted(ids)


def test_feedback(case):
    with Server(case) as server:
        connect(server, "old")
        trace_id = traced()
        source = AssessmentSource(source_type="HUMAN", source_id="ann")
        made = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, source=source, rationale="read it", metadata={"a": "b"})
        mlflow.log_expectation(trace_id=trace_id, name="answer", value={"text": "answer"}, source=source)
        mlflow.update_assessment(trace_id, made.assessment_id, mlflow.entities.Feedback(name="good", value=False))
        found = {a.name: a for a in mlflow.get_trace(trace_id).info.assessments}
        assert (found["good"].value, found["good"].rationale, found["answer"].value) == (False, "read it", {"text": "answer"})
        mlflow.delete_assessment(trace_id, made.assessment_id)
        assert [a.name for a in mlflow.get_trace(trace_id).info.assessments] == ["answer"]


def test_delete(case):
    with Server(case) as server:
        connect(server, "old")
        ids = [traced(), traced()]
        experiment = mlflow.get_experiment_by_name("old").experiment_id
        assert mlflow.MlflowClient().delete_traces(experiment, trace_ids=ids[:1]) == 1
        assert [trace.info.trace_id for trace in mlflow.search_traces(return_type="list")] == ids[1:]


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
