"""models - logged models and files of runs, through the client.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib

import mlflow
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus
from record import step
from scenario.common import BASE_MS, experiment

MISSING = "m-" + "0" * 32


def shown(model):
    return {"name": model.name, "type": model.model_type, "status": str(model.status), "tags": model.tags, "params": model.params,
            "run": model.source_run_id, "metrics": sorted([m.key, m.value, m.step, m.run_id] for m in model.metrics or [])}


@step
def models_life(s):
    """Logged models: make, params, tags, metrics, finalise, search, delete."""
    here = experiment(s, "models life")
    client = mlflow.MlflowClient()
    made = mlflow.create_external_model(name="agent-v1", params={"a": "1", "ж": "🎈"}, tags={"t": "v", "odd @ key": "x"},
        model_type="agent")
    s.name(made.model_id, "model v1")
    s.note("made", shown(made))
    other = mlflow.create_external_model(name="agent-v2", params={"a": "2"})
    s.name(other.model_id, "model v2")
    s.call("params", lambda: mlflow.log_model_params({"b": "2", "long": "x" * 100}, made.model_id))
    s.call("params, many", lambda: mlflow.log_model_params({f"p{n}": str(n) for n in range(120)}, other.model_id))
    s.call("tags", lambda: mlflow.set_logged_model_tags(made.model_id, {"t": "w", "n": 5}))
    s.call("tag away", lambda: mlflow.delete_logged_model_tag(made.model_id, "n"))
    s.call("tag away again", lambda: mlflow.delete_logged_model_tag(made.model_id, "n"))
    with mlflow.start_run(run_name="of models", tags={"odd @ key": "x", "🎈": "y"}) as run:
        s.name(run.info.run_id, "run of models")
        mlflow.log_metric("m", 0.5, step=1, timestamp=BASE_MS, model_id=made.model_id)
        mlflow.log_metric("m", 0.75, step=2, timestamp=BASE_MS + 1, model_id=made.model_id)
        mlflow.log_metrics({"k": 1.0, "l": 2.0}, step=1, timestamp=BASE_MS, model_id=other.model_id)
    s.call("finalise", lambda: shown(client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)))
    s.call("finalise as text", lambda: shown(client.finalize_logged_model(other.model_id, "FAILED")))
    s.call("read", lambda: shown(mlflow.get_logged_model(made.model_id)))
    s.call("read other", lambda: len(mlflow.get_logged_model(other.model_id).params))
    s.call("missing", mlflow.get_logged_model, MISSING)
    s.call("run", lambda: client.get_run(run.info.run_id))

    def names(**more):
        return [m.name for m in mlflow.search_logged_models(experiment_ids=[here], output_format="list", **more)]

    for text in (None, "", "name = 'agent-v1'", "params.a = '2'", "params.`ж` = '🎈'", "tags.t = 'w'", "metrics.m > 0.6",
        "metrics.m < 0.6", "metrics.k = 1",
                 "model_type = 'agent'", "name LIKE 'agent%' AND metrics.m > 0", "creation_timestamp > 0"):
        s.call(f"search {text}", lambda text=text: sorted(names(filter_string=text)))
    for order in ([{"field_name": "name", "ascending": True}], [{"field_name": "name", "ascending": False}],
        [{"field_name": "metrics.m", "ascending": False}],
                  [{"field_name": "creation_time"}], [{"field_name": "color"}]):
        s.call(f"order {order}", lambda order=order: names(order_by=order))
    s.call("limit", lambda: names(max_results=1, order_by=[{"field_name": "name", "ascending": True}]))
    s.call("inputs", lambda: client.log_inputs(run.info.run_id, models=[LoggedModelInput(made.model_id)]))
    s.call("outputs", lambda: client.log_outputs(run.info.run_id, [LoggedModelOutput(made.model_id, step=3),
        LoggedModelOutput(other.model_id, step=0)]))
    s.call("outputs again", lambda: client.log_outputs(run.info.run_id, [LoggedModelOutput(made.model_id, step=3)]))
    s.call("linked", lambda: [sorted(s.text(m.model_id) for m in client.get_run(run.info.run_id).inputs.model_inputs),
                              sorted((s.text(m.model_id), m.step) for m in client.get_run(run.info.run_id).outputs.model_outputs)])
    s.call("delete", client.delete_logged_model, other.model_id)
    s.call("delete again", client.delete_logged_model, other.model_id)
    s.call("after", lambda: names())

    @mlflow.trace
    def traced():
        return 1

    mlflow.set_active_model(model_id=made.model_id)
    traced()
    mlflow.clear_active_model()
    mlflow.flush_trace_async_logging()
    s.note("trace of the model", len(mlflow.search_traces(locations=[here], model_id=made.model_id, return_type="list")))


@step
def run_files(s):
    """Files of a run: log, list, read back, delete."""
    experiment(s, "run files")
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name="files") as run:
        s.name(run.info.run_id, "run with files")
        s.call("text", mlflow.log_text, "some ж", "a.txt")
        s.call("deep", mlflow.log_dict, {"a": [1, 2]}, "d/e/f.json")
        s.call("odd names", mlflow.log_text, "x", "a b/ж 🎈 100%.txt")
        s.call("twice", mlflow.log_text, "again", "a.txt")
        s.call("empty", mlflow.log_text, "", "empty.txt")
        s.call("big", mlflow.log_text, "0123456789" * 300_000, "big.txt")
        s.call("up", mlflow.log_text, "x", "../x.txt")
        s.call("not normal", mlflow.log_text, "x", "a//x.txt")
        local = pathlib.Path(s.folder) / "local"
        (local / "sub").mkdir(parents=True)
        (local / "one.txt").write_text("1")
        (local / "sub" / "two.txt").write_text("2")
        s.call("folder", mlflow.log_artifacts, str(local), "copied")

    def listed(path=None):
        return sorted((f.path, f.is_dir) for f in client.list_artifacts(run.info.run_id, path))

    for path in (None, "d", "d/e", "a b", "copied", "nothing", "a.txt", "copied/"):
        s.call(f"list {path}", listed, path)
    s.call("read", lambda: mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt"))
    s.call("read deep", lambda: mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/d/e/f.json"))
    s.call("read odd", lambda: mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a b/ж 🎈 100%.txt"))
    s.call("read big", lambda: len(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/big.txt")))
    s.call("read nothing", lambda: mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/nothing.txt") is None)
    s.call("download all",
        lambda: sorted(str(p.relative_to(found)) for found in [pathlib.Path(client.download_artifacts(run.info.run_id, "",
            s.folder))]
                                          for p in (found / "copied").rglob("*")))
    s.call("table", lambda: client.log_table(run.info.run_id, data={"q": ["a"], "n": [1]}, artifact_file="t.json"))
    s.call("table again", lambda: client.log_table(run.info.run_id, data={"q": ["b"], "n": [2]}, artifact_file="t.json"))
    s.call("table read", lambda: json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/t.json")))
