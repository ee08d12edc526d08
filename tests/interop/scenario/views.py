"""views - MLflow's entities as plain values, without what no two runs share.

SPDX-License-Identifier: Apache-2.0
"""
import math
import re

import pandas
from mlflow.entities import Assessment, Experiment, Run, Span, Trace, TraceInfo
from mlflow.entities.evaluation_dataset import EvaluationDataset as EntityDataset
from mlflow.genai.datasets.evaluation_dataset import EvaluationDataset
from mlflow.genai.scorers.base import Scorer

STACK = re.compile(r"Traceback \(most recent call last\):.*", re.DOTALL)
# Sizes of what the client serialised: they hold the times of this run.
SIZES = ("mlflow.trace.sizeStats", "mlflow.trace.sizeBytes")


def short_stack(text):
    """A stack trace as its first and last line: what lies between names files and lines of packages."""
    if not isinstance(text, str) or "Traceback (most recent call last)" not in text:
        return text
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return f"{lines[0]} ... {lines[-1]}"


def span_label(span, spans):
    same = [s.span_id for s in spans if s.name == span.name]
    return span.name if len(same) == 1 else f"{span.name}#{same.index(span.span_id)}"


def attribute(key, value):
    if key == "exception.stacktrace":
        return short_stack(value)
    return value


def view_span(s, span, spans):
    labels = {other.span_id: span_label(other, spans) for other in spans}
    return {
        "name": span.name, "parent": labels.get(span.parent_id, span.parent_id), "type": span.span_type,
        "status": span.status.status_code.value, "description": span.status.description,
        "inputs": span.inputs, "outputs": span.outputs,
        "attributes": {k: v for k, v in span.attributes.items() if k not in ("mlflow.traceRequestId",)},
        "times": view_times(s, span),
        "events": [{"name": e.name, "attributes": {k: attribute(k, v) for k, v in (e.attributes or {}).items()}}
                   for e in span.events],
        "links": [link.to_dict() for link in span.links],
    }


def view_times(s, span):
    """The times a step chose itself; of others, that they are in order."""
    if s._near(span.start_time_ns / 1e9):
        return span.end_time_ns is not None and span.start_time_ns <= span.end_time_ns
    return [span.start_time_ns, span.end_time_ns]


def view_info(s, info):
    d = info.to_dict()
    if s._near(info.request_time / 1e3):
        d["execution_duration"] = d.get("execution_duration") is not None and "<duration>"
        d["execution_duration_ms"] = d.get("execution_duration_ms") is not None and "<duration>"
    d["trace_metadata"] = {k: "<size>" if k in SIZES else v for k, v in d.get("trace_metadata", {}).items()}
    d["assessments"] = in_order(info.assessments or [])
    d["class"] = type(info).__name__
    return d


def in_order(assessments):
    """By name, source and value: what several threads logged has no order of its own."""
    return sorted((view_assessment(a) for a in assessments),
                  key=lambda d: (str(d.get("assessment_name")), str(d.get("source")), str(d.get("rationale")),
                                 str(d.get("feedback") or d.get("expectation"))))


def view_assessment(a):
    d = a.to_dictionary()
    if "feedback" in d and isinstance(d["feedback"].get("error"), dict):
        d["feedback"]["error"]["stack_trace"] = short_stack(d["feedback"]["error"].get("stack_trace"))
    d["class"] = type(a).__name__
    if hasattr(a, "value"):  # with its Python type
        d["value"] = a.value
    return d


def view_trace(s, trace):
    spans = sorted(trace.data.spans, key=lambda span: (span.start_time_ns, span.name))
    if spans and s._near(spans[0].start_time_ns / 1e9):
        spans = sorted(trace.data.spans, key=lambda span: (span.parent_id is not None, span.name, str(span.inputs)))
    for span in spans:
        s.names.setdefault(span.span_id, f"<span {span_label(span, spans)}>")
    return {"info": view_info(s, trace.info), "spans": [view_span(s, span, spans) for span in spans],
            "request": trace.data.request, "response": trace.data.response,
            "intermediate": trace.data.intermediate_outputs}


def view_run(run):
    tags = {k: v for k, v in run.data.tags.items() if k not in ("mlflow.source.git.commit",)}
    return {"info": {k: v for k, v in dict(run.info).items() if k != "end_time"},
            "ended": run.info.end_time is not None, "metrics": run.data.metrics, "params": run.data.params, "tags": tags,
            "datasets": [{"name": d.dataset.name, "source_type": d.dataset.source_type,
                          "tags": {t.key: t.value for t in d.tags}} for d in run.inputs.dataset_inputs]
            if run.inputs else []}


def view_frame(frame):
    return {"columns": list(frame.columns), "rows": frame.to_dict("records")}


def view_dataset(dataset):
    return {"name": dataset.name, "id": dataset.dataset_id, "tags": dataset.tags, "source_type": dataset.source_type,
            "experiment_ids": dataset.experiment_ids, "schema": dataset.schema, "profile": dataset.profile,
            "digest": bool(re.fullmatch("[0-9a-f]{8}", dataset.digest or ""))}  # of the times of its records


def view(s, value):
    """Another form of value, or value itself."""
    if isinstance(value, Trace):
        return view_trace(s, value)
    if isinstance(value, TraceInfo):
        return view_info(s, value)
    if isinstance(value, Span):
        return view_span(s, value, [value])
    if isinstance(value, Assessment):
        return view_assessment(value)
    if isinstance(value, Run):
        return view_run(value)
    if isinstance(value, Experiment):
        return {k: v for k, v in dict(value).items()}
    if isinstance(value, (EvaluationDataset, EntityDataset)):
        return view_dataset(value)
    if isinstance(value, Scorer):
        return value.model_dump() if hasattr(value, "model_dump") else vars(value)
    if isinstance(value, pandas.DataFrame):
        return view_frame(value)
    if isinstance(value, float) and math.isnan(value):
        return "<nan>"
    return value
