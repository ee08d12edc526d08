"""runs - runs as far as evaluation needs them.

SPDX-License-Identifier: Apache-2.0
"""
import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType
from record import step
from scenario.common import BASE_MS, experiment

MISSING = "0" * 32


@step
def runs_life(s):
    """start_run, log, end; nested, failed; terminated; names; tags."""
    here = experiment(s, "runs")
    with mlflow.start_run(run_name="first", tags={"t": "1"}, description="a run") as run:
        s.name(run.info.run_id, "run first")
        mlflow.log_metric("m", 0.5, step=1, timestamp=BASE_MS)
        mlflow.log_metric("m", 0.25, step=2, timestamp=BASE_MS + 1)
        mlflow.log_metrics({"a/mean": 1.0, "int": 3, "negative": -1e-9})
        s.call("nan", mlflow.log_metric, "nan", float("nan"))
        mlflow.log_param("p", "x")
        mlflow.log_params({"n": 1, "text": "ж" * 10})
        s.call("param again, the same", mlflow.log_param, "p", "x")
        s.call("param changed", mlflow.log_param, "p", "y")
        mlflow.set_tags({"k": "v", "unicode": "🎈"})
        mlflow.set_tag("k", "w")
        mlflow.delete_tag("k")
        s.call("delete a missing tag", mlflow.delete_tag, "k")
        with mlflow.start_run(run_name="child", nested=True) as child:
            s.name(child.info.run_id, "run child")
    s.note("run", mlflow.get_run(run.info.run_id))
    s.note("child", mlflow.get_run(child.info.run_id))
    s.note("history", [[m.key, m.value, m.step, m.timestamp] for m in mlflow.MlflowClient().get_metric_history(run.info.run_id, "m")])

    def fails():
        with mlflow.start_run(run_name="fails") as broken:
            s.name(broken.info.run_id, "run fails")
            raise RuntimeError("broke")

    s.call("failing", fails)
    s.note("names", [r.info.run_name for r in mlflow.search_runs([here], output_format="list")])
    unnamed = mlflow.MlflowClient().create_run(here, start_time=BASE_MS)
    s.name(unnamed.info.run_id, "run unnamed")
    s.note("unnamed", unnamed)
    mlflow.MlflowClient().set_terminated(unnamed.info.run_id, "KILLED", end_time=BASE_MS + 5)
    killed = mlflow.MlflowClient().get_run(unnamed.info.run_id)
    s.note("killed", [killed.info.status, killed.info.start_time, killed.info.end_time])
    mlflow.MlflowClient().update_run(unnamed.info.run_id, name="named", status="FINISHED")
    s.note("updated", mlflow.MlflowClient().get_run(unnamed.info.run_id))
    mlflow.MlflowClient().log_batch(unnamed.info.run_id, [Metric("b", 1.5, BASE_MS, 0)], [Param("bp", "1")], [RunTag("bt", "2")])
    s.note("batch", mlflow.MlflowClient().get_run(unnamed.info.run_id))
    s.call("too many params", mlflow.MlflowClient().log_batch, unnamed.info.run_id, params=[Param(f"p{n}", "1") for n in range(101)])
    s.call("resume", lambda: mlflow.start_run(run_id=unnamed.info.run_id).info.run_name)
    mlflow.end_run()


@step
def runs_missing(s):
    """Runs that are not there, or deleted."""
    here = experiment(s, "runs missing")
    client = mlflow.MlflowClient()
    s.call("get", client.get_run, MISSING)
    s.call("tag", client.set_tag, MISSING, "a", "b")
    s.call("metric", client.log_metric, MISSING, "a", 1)
    s.call("param", client.log_param, MISSING, "a", 1)
    s.call("batch", client.log_batch, MISSING, [Metric("b", 1.5, BASE_MS, 0)])
    s.call("update", client.set_terminated, MISSING)
    s.call("delete", client.delete_run, MISSING)
    s.call("restore", client.restore_run, MISSING)
    s.call("missing experiment", client.create_run, "987654321")
    run = client.create_run(here, run_name="gone", start_time=BASE_MS)
    s.name(run.info.run_id, "run gone")
    client.delete_run(run.info.run_id)
    s.note("deleted", client.get_run(run.info.run_id).info.lifecycle_stage)
    s.call("tag a deleted one", client.set_tag, run.info.run_id, "a", "b")
    s.call("metric of a deleted one", client.log_metric, run.info.run_id, "a", 1)
    s.note("active", len(client.search_runs([here])))
    s.note("deleted ones", len(client.search_runs([here], run_view_type=ViewType.DELETED_ONLY)))
    client.restore_run(run.info.run_id)
    s.note("restored", client.get_run(run.info.run_id).info.lifecycle_stage)


@step
def runs_search(s):
    """search_runs: filters by attribute, tag, metric, param; order; pages; errors."""
    here = experiment(s, "runs search")
    client = mlflow.MlflowClient()
    for n, (name, kind, score) in enumerate((("r alpha", "genai_evaluate", 0.5), ("r beta", "other", 0.75), ("r gamma", None, 1.5),
                                             ("r delta", "genai_evaluate", None))):
        run = client.create_run(here, run_name=name, start_time=BASE_MS + n, tags={"mlflow.runType": kind} if kind else {})
        s.name(run.info.run_id, f"run {name}")
        if score is not None:
            client.log_metric(run.info.run_id, "score", score)
            client.log_metric(run.info.run_id, "a/mean", score * 2)
        client.log_param(run.info.run_id, "n", n)
        if name != "r gamma":
            client.set_terminated(run.info.run_id, end_time=BASE_MS + 100 - n)

    def names(filter_string="", **more):
        return [r.info.run_name for r in client.search_runs([here], filter_string, **more)]

    for text in ("", "tags.`mlflow.runType` = 'genai_evaluate'", "tags.mlflow.runType = 'other'", "metrics.score > 0.5",
                 "metrics.score = 0.75", "metrics.`a/mean` >= 1.5", "params.n = '2'", "params.n != '2'", "attributes.status = 'FINISHED'",
                 "attributes.run_name = 'r alpha'", "run_name LIKE 'r %a'", "run_name ILIKE 'R B%'", "attributes.start_time > 1740009600001",
                 "status = 'RUNNING'", "metrics.score > 0.1 AND params.n = '1'", "metrics.nothing > 0", "tags.nothing = 'x'",
                 "metrics.score", "metrics.score > 'x'", "params.n = 2", "color = 'red'", "metrics.score > 0 OR params.n = '1'"):
        s.call(f"filter {text}", names, text, order_by=["start_time ASC"])
    for order in ([], ["start_time DESC"], ["attributes.start_time ASC"], ["metrics.score DESC"], ["metrics.score ASC"], ["params.n DESC"],
                  ["run_name ASC"], ["tags.`mlflow.runType` ASC", "start_time DESC"], ["end_time ASC"], ["color"], ["start_time SIDEWAYS"]):
        s.call(f"order {order}", names, "", order_by=order)
    page = client.search_runs([here], max_results=3, order_by=["start_time ASC"])
    s.note("page 1", [[r.info.run_name for r in page], bool(page.token)])
    page = client.search_runs([here], max_results=3, order_by=["start_time ASC"], page_token=page.token)
    s.note("page 2", [[r.info.run_name for r in page], bool(page.token)])
    s.call("max_results", names, max_results=50_001)
    s.call("bad token", names, page_token="!")
    frame = mlflow.search_runs([here], order_by=["start_time ASC"])
    s.note("frame", [sorted(frame.columns), frame["metrics.score"].tolist(), frame["params.n"].tolist()])
