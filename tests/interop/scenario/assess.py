"""assess - feedback and expectations: log, read, update, override, delete.

SPDX-License-Identifier: Apache-2.0
"""
import json

import mlflow
from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback
from record import step
from scenario.common import chosen, experiment

MISSING_TRACE, MISSING = "tr-" + "0" * 32, "a-" + "0" * 32


def trace(s, label, **more):
    experiment(s, label)
    made = chosen(s, label, children=[("child", "TOOL", 1, 2, {}, "OK")], **more)
    mlflow.flush_trace_async_logging()
    return made


def stored(trace_id):
    return mlflow.get_trace(trace_id).info.assessments


@step
def feedback_values(s):
    """log_feedback of every kind of value."""
    t = trace(s, "feedback values")
    for name, value in {"int": 5, "zero": 0, "float": 0.1, "whole": 5.0, "big": 2**53, "true": True, "false": False, "none": None,
                        "text": "yes", "empty": "", "unicode": "ж🎈", "json": '{"a": 1}', "number text": "5", "list": [1, "a", None],
                        "empty list": [], "dict": {"a": 1, "b": [True]}, "nested": {"a": {"b": {"c": [1.5]}}},
                        "long": "x" * 5000}.items():
        logged = s.call(f"logged {name}", mlflow.log_feedback, trace_id=t, name=f"f {name}", value=value)
        if logged:
            s.call(f"read {name}", mlflow.get_assessment, t, logged.assessment_id)
    s.call("not serialisable", mlflow.log_feedback, trace_id=t, name="bad", value=object())
    s.call("nan", mlflow.log_feedback, trace_id=t, name="nan", value=float("nan"))
    s.note("all", stored(t))
    s.note("order", [a.name for a in stored(t)] == [a.name for a in sorted(stored(t), key=lambda a: a.create_time_ms)])


@step
def feedback_details(s):
    """Sources, rationale, metadata, spans, errors, the default name."""
    t = trace(s, "feedback details")
    child = next(span for span in mlflow.get_trace(t).data.spans if span.name == "child")
    for kind in ("HUMAN", "LLM_JUDGE", "AI_JUDGE", "CODE"):
        s.call(f"source {kind}", mlflow.log_feedback, trace_id=t, name=f"by {kind}", value=1,
               source=AssessmentSource(source_type=kind, source_id=f"id of {kind}"))
    s.call("bad source", lambda: AssessmentSource(source_type="DOG", source_id="x"))
    s.call("default name", mlflow.log_feedback, trace_id=t, value=True)
    s.call("rationale", mlflow.log_feedback, trace_id=t, name="why", value=False, rationale="Because ж\n🎈 " + "r" * 3000,
           metadata={"k": "v", "n": "1", "unicode": "ж"}, span_id=child.span_id)
    s.call("metadata with numbers", mlflow.log_feedback, trace_id=t, name="numbers", value=1, metadata={"n": 1, "f": 0.5, "b": True})
    s.call("error", mlflow.log_feedback, trace_id=t, name="broken", error=ValueError("went wrong"))
    s.call("error with parts", mlflow.log_feedback, trace_id=t, name="broken too", value="partial",
           error=AssessmentError(error_code="RATE_LIMIT", error_message="slow down", stack_trace="line 1\nline 2"))
    s.call("neither value nor error", mlflow.log_feedback, trace_id=t, name="nothing")
    s.call("missing span", mlflow.log_feedback, trace_id=t, name="ghost", value=1, span_id="00000000000000ff")
    nameless = s.call("empty name", lambda: mlflow.log_feedback(trace_id=t, name="", value=1))
    mlflow.delete_assessment(t, nameless.assessment_id)
    s.call("odd name", mlflow.log_feedback, trace_id=t, name="a/b \"c\" ж", value=1)
    s.call("long name", mlflow.log_feedback, trace_id=t, name="n" * 300, value=1)
    s.call("twice the same name", mlflow.log_feedback, trace_id=t, name="why", value=True)
    s.call("missing trace", mlflow.log_feedback, trace_id=MISSING_TRACE, name="x", value=1)
    s.call("no trace id", mlflow.log_feedback, trace_id="nonsense", name="x", value=1)
    s.note("all", stored(t))
    s.note("of the span", [a.name for a in mlflow.get_trace(t).search_assessments(span_id=child.span_id)])
    s.note("named", mlflow.get_trace(t).search_assessments("why"))


@step
def expectation_values(s):
    """log_expectation of every kind of value."""
    t = trace(s, "expectation values")
    for name, value in {"text": "42", "int": 42, "float": 0.5, "true": True, "list": [1, {"a": None}], "dict": {"facts": ["a", "b"]},
                        "empty dict": {}, "unicode": "ж🎈", "nested": {"a": {"b": [1, 2.5, "c"]}}}.items():
        logged = s.call(f"logged {name}", mlflow.log_expectation, trace_id=t, name=f"e {name}", value=value, metadata={"k": name})
        if logged:
            s.call(f"read {name}", mlflow.get_assessment, t, logged.assessment_id)
    s.call("none", mlflow.log_expectation, trace_id=t, name="none", value=None)
    s.call("from a judge", mlflow.log_expectation, trace_id=t, name="judged", value=1,
           source=AssessmentSource(source_type="LLM_JUDGE", source_id="gpt"))
    s.call("missing trace", mlflow.log_expectation, trace_id=MISSING_TRACE, name="x", value=1)
    s.note("all", stored(t))


@step
def assessment_update(s):
    """update_assessment: each field, the wrong kind, what is not there."""
    t = trace(s, "update")
    f = mlflow.log_feedback(trace_id=t, name="f", value=1, rationale="first", metadata={"keep": "1", "change": "1"})
    e = mlflow.log_expectation(trace_id=t, name="e", value="old")
    update = mlflow.update_assessment
    s.call("value", update, t, f.assessment_id, Feedback(name="f", value="two"))
    s.call("rationale", update, t, f.assessment_id, Feedback(name="f", value=2, rationale="second"))
    s.call("metadata", update, t, f.assessment_id, Feedback(name="f", value=2, metadata={"change": "2", "new": "3"}))
    s.call("name", update, t, f.assessment_id, Feedback(name="renamed", value=2))
    s.call("error", update, t, f.assessment_id, Feedback(name="renamed", error=AssessmentError("CODE", "text")))
    s.call("read", mlflow.get_assessment, t, f.assessment_id)
    s.call("expectation", update, t, e.assessment_id, Expectation(name="e", value={"new": [1]}))
    s.call("expectation read", mlflow.get_assessment, t, e.assessment_id)
    s.call("feedback as expectation", update, t, f.assessment_id, Expectation(name="f", value=1))
    s.call("expectation as feedback", update, t, e.assessment_id, Feedback(name="e", value=1))
    s.call("missing", update, t, MISSING, Feedback(name="f", value=1))
    s.call("missing trace", update, MISSING_TRACE, f.assessment_id, Feedback(name="f", value=1))
    s.note("all", stored(t))
    read = mlflow.get_assessment(t, f.assessment_id)
    s.note("times in order", read.create_time_ms <= read.last_update_time_ms)


@step
def assessment_override(s):
    """override_feedback: the old one stays, invalid; deleting the new one brings it back."""
    t = trace(s, "override")
    first = mlflow.log_feedback(trace_id=t, name="v", value="no", source=AssessmentSource("LLM_JUDGE", "gpt"), metadata={"a": "1"})
    second = mlflow.override_feedback(trace_id=t, assessment_id=first.assessment_id, value="yes", rationale="I saw it",
                                      source=AssessmentSource("HUMAN", "ann"), metadata={"b": "2"})
    s.note("second", second)
    s.call("first", mlflow.get_assessment, t, first.assessment_id)
    s.note("points at the first", second.overrides == first.assessment_id)
    third = mlflow.override_feedback(trace_id=t, assessment_id=second.assessment_id, value="maybe")
    s.note("all", stored(t))
    s.note("valid ones", [a.value for a in mlflow.get_trace(t).search_assessments("v")])
    s.note("with overridden", sorted(a.value for a in mlflow.get_trace(t).search_assessments("v", all=True)))
    mlflow.delete_assessment(t, third.assessment_id)
    s.note("second is valid again", [[a.value, a.valid] for a in stored(t)])
    s.call("missing", mlflow.override_feedback, trace_id=t, assessment_id=MISSING, value=1)
    e = mlflow.log_expectation(trace_id=t, name="e", value=1)
    s.call("an expectation", mlflow.override_feedback, trace_id=t, assessment_id=e.assessment_id, value=1)


@step
def assessment_delete(s):
    """delete_assessment: once, twice, of a missing trace; get afterwards."""
    t = trace(s, "delete")
    f = mlflow.log_feedback(trace_id=t, name="f", value=1)
    other = mlflow.log_feedback(trace_id=t, name="other", value=2)
    s.call("delete", mlflow.delete_assessment, t, f.assessment_id)
    s.call("get", mlflow.get_assessment, t, f.assessment_id)
    s.call("again", mlflow.delete_assessment, t, f.assessment_id)
    s.call("missing", mlflow.delete_assessment, t, MISSING)
    s.call("missing trace", mlflow.delete_assessment, MISSING_TRACE, other.assessment_id)
    s.call("get of a missing trace", mlflow.get_assessment, MISSING_TRACE, other.assessment_id)
    s.call("get, odd id", mlflow.get_assessment, t, "nonsense")
    s.note("left", stored(t))
    another = trace(s, "delete 2")
    s.call("get by another trace", mlflow.get_assessment, another, other.assessment_id)
    s.call("delete by another trace", mlflow.delete_assessment, another, other.assessment_id)
    s.note("still there", len(stored(t)))


@step
def assessment_inline(s):
    """Assessments that travel with the trace, and those found by a search."""
    t = trace(s, "inline")
    mlflow.log_feedback(trace_id=t, name="f", value={"a": [1]})
    mlflow.log_expectation(trace_id=t, name="e", value=[1, 2])
    found = mlflow.search_traces(locations=[mlflow.get_experiment_by_name("inline").experiment_id], return_type="list")
    s.note("search", found[0].info)
    s.note("json", json.loads(found[0].to_json())["info"]["assessments"])
    t2 = mlflow.start_span_no_context("assessed while open")
    s.call("while open", mlflow.log_feedback, trace_id=t2.trace_id, name="early", value=True)
    t2.end()
    s.name(t2.trace_id, "assessed while open")
    mlflow.flush_trace_async_logging()
    s.note("afterwards", mlflow.get_trace(t2.trace_id).info)

    @mlflow.trace
    def inside():
        mlflow.log_feedback(trace_id=mlflow.get_active_trace_id(), name="inside", value=1)
        mlflow.log_expectation(trace_id=mlflow.get_active_trace_id(), name="expected", value={"a": 1})

    inside()
    s.name(mlflow.get_last_active_trace_id(), "assessed inside")
    mlflow.flush_trace_async_logging()
    s.note("inside", mlflow.get_trace(mlflow.get_last_active_trace_id()).info)


@step
def issues(s):
    """Issues: log_issue, issue.id in a filter."""
    t = trace(s, "issues")
    s.call("log", mlflow.log_issue, trace_id=t, issue_id="iss-1", issue_name="slow answers", rationale="seen")
    s.note("all", stored(t))
    s.call("found", lambda: len(mlflow.search_traces(filter_string="issue.id = 'iss-1'")))
