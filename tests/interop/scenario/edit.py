"""edit - tags, deletion and links of traces that are there.

SPDX-License-Identifier: Apache-2.0
"""
import mlflow
from record import step
from scenario.common import BASE_MS, chosen, experiment

MISSING = "tr-" + "0" * 32


@step
def trace_tags(s):
    """set_trace_tag and delete_trace_tag: new, again, odd keys, long, missing."""
    experiment(s, "trace tags")
    t = chosen(s, "tagged", tags={"old": "1"})
    mlflow.flush_trace_async_logging()
    s.call("new", mlflow.set_trace_tag, t, "new", "2")
    s.call("again", mlflow.set_trace_tag, t, "old", "changed")
    s.call("number", mlflow.set_trace_tag, t, "number", 5)
    s.call("empty value", mlflow.set_trace_tag, t, "empty", "")
    s.call("unicode", mlflow.set_trace_tag, t, "ж 🎈", "漢字")
    s.call("dots", mlflow.set_trace_tag, t, "a.b/c", "x")
    s.call("long value", mlflow.set_trace_tag, t, "long", "x" * 5000)
    s.call("very long value", mlflow.set_trace_tag, t, "very long", "x" * 9000)
    s.call("long key", mlflow.set_trace_tag, t, "k" * 251, "x")
    s.call("empty key", mlflow.set_trace_tag, t, "", "x")
    s.call("bad key", mlflow.set_trace_tag, t, "a:b", "x")
    s.call("reserved", mlflow.set_trace_tag, t, "mlflow.artifactLocation", "/etc")
    s.call("trace name", mlflow.set_trace_tag, t, "mlflow.traceName", "renamed")
    tags = mlflow.get_trace(t).info.tags
    s.note("long ones", {key: len(tags.pop(key)) for key in ("long", "very long")})
    tags.pop("ж 🎈", None)
    s.note("tags", tags)
    s.call("delete", mlflow.delete_trace_tag, t, "old")
    s.call("delete again", mlflow.delete_trace_tag, t, "old")
    s.call("delete reserved", mlflow.delete_trace_tag, t, "mlflow.artifactLocation")
    s.note("tags after", sorted(mlflow.get_trace(t).info.tags.keys() - {"ж 🎈"}))
    s.call("set, missing", mlflow.set_trace_tag, MISSING, "a", "b")
    s.call("delete, missing", mlflow.delete_trace_tag, MISSING, "a")
    with mlflow.start_span("open") as span:
        s.call("while open", mlflow.set_trace_tag, span.trace_id, "early", "yes")
    s.name(span.trace_id, "open tagged")
    mlflow.flush_trace_async_logging()
    s.note("tagged while open", mlflow.get_trace(span.trace_id).info.tags)


@step
def traces_delete(s):
    """delete_traces: by ids, by time, the oldest first, wrong arguments."""
    here = experiment(s, "delete traces")
    ids = [chosen(s, f"del {n}", start=n * 1000) for n in range(8)]
    other = s.name_experiment(mlflow.MlflowClient().create_experiment("delete elsewhere"), "elsewhere")
    mlflow.flush_trace_async_logging()
    delete = mlflow.MlflowClient().delete_traces

    def left():
        return [t.info.tags["mlflow.traceName"] for t in mlflow.search_traces(
            locations=[here], order_by=["timestamp ASC"], return_type="list", include_spans=False)]

    s.call("neither", delete, here)
    s.call("both", delete, here, max_timestamp_millis=BASE_MS, trace_ids=[ids[0]])
    s.call("max_traces with ids", delete, here, max_traces=1, trace_ids=[ids[0]])
    s.call("max_traces alone", delete, here, max_traces=1)
    s.call("max_traces zero", delete, here, max_timestamp_millis=BASE_MS, max_traces=0)
    s.call("no ids", delete, here, trace_ids=[])
    s.note("all left", left())
    s.call("by id", delete, here, trace_ids=[ids[5], ids[6]])
    s.call("by id again", delete, here, trace_ids=[ids[5], MISSING])
    s.call("of another experiment", delete, other, trace_ids=[ids[0]])
    s.note("after ids", left())
    s.call("oldest one", delete, here, max_timestamp_millis=BASE_MS + 4000, max_traces=1)
    s.note("after oldest", left())
    s.call("by time", delete, here, max_timestamp_millis=BASE_MS + 3000)
    s.note("after time", left())
    s.call("none so old", delete, here, max_timestamp_millis=1)
    s.call("missing experiment", delete, "987654321", max_timestamp_millis=BASE_MS)
    s.call("get a deleted one", mlflow.get_trace, ids[0])
    s.call("feedback on a deleted one", mlflow.log_feedback, trace_id=ids[0], name="x", value=1)
    s.call("tag a deleted one", mlflow.set_trace_tag, ids[0], "a", "b")
    many = [chosen(s, f"many {n}", start=100_000 + n) for n in range(130)]
    mlflow.flush_trace_async_logging()
    s.call("more than a batch of ids", delete, here, trace_ids=many)
    s.note("after many", left())


@step
def traces_link_to_run(s):
    """link_traces_to_run: twice, missing, too many; run_id in searches; traces made in a run."""
    here = experiment(s, "link")
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name="holder") as run:
        s.name(run.info.run_id, "run holder")
        inside = chosen(s, "inside")

        @mlflow.trace
        def in_run():
            return 1

        in_run()
        s.name(mlflow.get_last_active_trace_id(), "trace in run")
    outside = [chosen(s, f"outside {n}", start=n) for n in range(3)]
    mlflow.flush_trace_async_logging()
    run_id = run.info.run_id

    def of_run(**more):
        return [t.info.tags["mlflow.traceName"] for t in mlflow.search_traces(
            locations=[here], return_type="list", include_spans=False, **more)]

    s.note("made inside", mlflow.get_trace(inside).info)
    s.note("before", sorted(of_run(run_id=run_id)))
    s.call("link", client.link_traces_to_run, outside[:2], run_id)
    s.call("link again", client.link_traces_to_run, outside[:2], run_id)
    s.note("after", sorted(of_run(run_id=run_id)))
    s.note("by filter", sorted(of_run(filter_string=f"run_id = '{run_id}'")))
    s.note("by attribute", sorted(of_run(filter_string=f"attributes.run_id = '{run_id}' AND name LIKE 'out%'")))
    s.note("not", sorted(of_run(filter_string=f"run_id != '{run_id}'")))
    s.note("like", sorted(of_run(filter_string=f"run_id LIKE '{run_id[:8]}%'")))
    s.note("by metadata", sorted(of_run(filter_string=f"metadata.`mlflow.sourceRun` = '{run_id}'")))
    s.note("metadata of a linked one", mlflow.get_trace(outside[0]).info)
    s.call("unlink", client.unlink_traces_from_run, outside[:1], run_id)
    s.note("after unlink", sorted(of_run(run_id=run_id)))
    s.call("missing run", client.link_traces_to_run, outside, "0" * 32)
    s.call("missing trace", client.link_traces_to_run, [MISSING], run_id)
    s.call("none", client.link_traces_to_run, [], run_id)
    s.call("too many", client.link_traces_to_run, [f"tr-{n:032x}" for n in range(101)], run_id)
    s.call("nobody", of_run, run_id="nobody")
