"""common - what several steps need.

SPDX-License-Identifier: Apache-2.0
"""
import mlflow
from mlflow.entities import SpanStatus, SpanStatusCode

# The moment that steps with chosen times begin at: 2025-02-20 00:00 UTC.
BASE_MS = 1_740_009_600_000
MS = 1_000_000


def experiment(s, label):
    """A new experiment, active from now on; its id."""
    made = mlflow.set_experiment(label)
    s.name_experiment(made.experiment_id, label)
    return made.experiment_id


def flushed(trace_id, label, s):
    """The trace as the server gives it, once all of it was sent."""
    s.name(trace_id, label)
    mlflow.flush_trace_async_logging()
    return mlflow.get_trace(trace_id)


def last(s, label):
    return flushed(mlflow.get_last_active_trace_id(), label, s)


def chosen(s, label, start=0, took=1000, children=(), status="OK", inputs=None, outputs=None, **more):
    """A trace whose times are chosen: start and took are milliseconds from BASE_MS on.

    children: (name, type, offset ms, took ms, attributes, status); returns the trace id.
    """
    begin = (BASE_MS + start) * MS
    root = mlflow.start_span_no_context(label, span_type="CHAIN", inputs=inputs, start_time_ns=begin, **more)
    s.name(root.trace_id, f"trace {label}")
    for name, kind, offset, lasted, attributes, code in children:
        child = mlflow.start_span_no_context(name, span_type=kind, parent_span=root, attributes=attributes,
                                             start_time_ns=begin + offset * MS)
        child.end(status=code, end_time_ns=begin + (offset + lasted) * MS)
    root.end(outputs=outputs, status=SpanStatus(SpanStatusCode[status], "it broke" if status == "ERROR" else ""),
             end_time_ns=begin + took * MS)
    return root.trace_id
