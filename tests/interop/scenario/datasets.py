"""datasets - mlflow.genai.datasets.

SPDX-License-Identifier: Apache-2.0
"""
import mlflow
import mlflow.genai
from mlflow.genai import datasets
from record import step
from scenario.common import chosen, experiment

COLUMNS = ("inputs", "outputs", "expectations", "tags", "source_type", "source_id", "source")


def rows(dataset):
    frame = dataset.to_df()
    found = [{c: row.get(c) for c in COLUMNS if c in row} for row in frame.to_dict("records")]
    return {"columns": sorted(frame.columns), "rows": sorted(found, key=lambda row: str(row["inputs"]))}


@step
def datasets_records(s):
    """create, merge_records (new, the same, changed), to_df, from traces."""
    here = experiment(s, "datasets")
    made = datasets.create_dataset(name="qa", experiment_id=here, tags={"team": "a", "n": "1"})
    s.note("created", made)
    s.note("empty", rows(made))
    made.merge_records([{"inputs": {"q": "one"}, "expectations": {"a": 1}, "tags": {"hard": "no"}},
                        {"inputs": {"q": "two", "deep": {"x": [1, 2.5, None, True]}}, "expectations": {"a": "ж🎈"}},
                        {"inputs": {"q": "three"}}])
    s.note("merged", rows(made))
    made.merge_records([{"inputs": {"q": "one"}, "expectations": {"b": 2}, "tags": {"new": "yes"}},
                        {"inputs": {"deep": {"x": [1, 2.5, None, True]}, "q": "two"}, "expectations": {"a": "changed"}},
                        {"inputs": {"q": "four"}, "outputs": {"text": "out"}, "source": {"source_type": "HUMAN", "source_data": {"user": "ann"}}}])
    s.note("merged again", rows(made))
    read = datasets.get_dataset(dataset_id=made.dataset_id)
    s.note("read", read)
    s.note("read rows", rows(read))
    chosen(s, "for the dataset", inputs={"q": "from a trace"}, outputs="out",)
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(locations=[here], return_type="list")
    mlflow.log_expectation(trace_id=traces[0].info.trace_id, name="a", value="expected")
    traces = mlflow.search_traces(locations=[here], return_type="list")
    s.call("from traces", lambda: rows(read.merge_records(traces)))
    s.call("by name", datasets.get_dataset, name="qa")
    s.call("schema", lambda: [datasets.get_dataset(dataset_id=made.dataset_id).schema, datasets.get_dataset(dataset_id=made.dataset_id).profile])
    s.call("bad records", made.merge_records, [{"q": "no inputs"}])
    s.call("inputs no dict", made.merge_records, [{"inputs": "text"}])
    ids = [r["dataset_record_id"] for r in made.to_df().to_dict("records") if r["inputs"] == {"q": "three"}]
    s.call("delete records", lambda: made.delete_records(ids))
    s.call("after", lambda: sorted(str(r["inputs"]) for r in datasets.get_dataset(dataset_id=made.dataset_id).to_df().to_dict("records")))
    s.call("evaluate on it", lambda: sorted(mlflow.genai.evaluate(
        data=datasets.get_dataset(dataset_id=made.dataset_id), predict_fn=lambda **inputs: str(inputs.get("q")),
        scorers=[mlflow.genai.scorer(name="len")(lambda outputs: len(outputs))]).metrics.items()))


@step
def datasets_edit(s):
    """Tags, experiments, search, delete."""
    here = experiment(s, "datasets edit")
    there = s.name_experiment(mlflow.MlflowClient().create_experiment("datasets there"), "datasets there")
    one = datasets.create_dataset(name="edit one", experiment_id=[here], tags={"stage": "dev"})
    two = datasets.create_dataset(name="edit two", experiment_id=[here, there], tags={"stage": "prod"})
    s.call("same name again", lambda: datasets.create_dataset(name="edit one", experiment_id=here).name)
    s.call("without a name", datasets.create_dataset, name="")
    datasets.set_dataset_tags(dataset_id=one.dataset_id, tags={"stage": "test", "more": "ж"})
    s.note("tags", datasets.get_dataset(dataset_id=one.dataset_id).tags)
    datasets.delete_dataset_tag(dataset_id=one.dataset_id, key="more")
    s.call("delete a missing tag", datasets.delete_dataset_tag, dataset_id=one.dataset_id, key="more")
    s.note("tags after", datasets.get_dataset(dataset_id=one.dataset_id).tags)
    s.note("experiments", sorted(s.plain(two.experiment_ids, "experiment_ids")))
    s.call("add", lambda: sorted(s.plain(datasets.add_dataset_to_experiments(one.dataset_id, [there]).experiment_ids, "experiment_ids")))
    s.call("remove", lambda: s.plain(datasets.remove_dataset_from_experiments(one.dataset_id, [here]).experiment_ids, "experiment_ids"))

    def names(**more):
        return [d.name for d in datasets.search_datasets(**more)]

    s.call("search by experiment", lambda: sorted(names(experiment_ids=there)))
    s.call("search here", lambda: sorted(names(experiment_ids=[here])))
    s.call("search by name", names, filter_string="name = 'edit one'")
    s.call("search like", names, filter_string="name LIKE 'edit%'", order_by=["name ASC"])
    s.call("search by tag", names, filter_string="tags.stage = 'prod'")
    s.call("order", names, filter_string="name LIKE 'edit%'", order_by=["name DESC"])
    s.call("limit", names, filter_string="name LIKE 'edit%'", order_by=["name ASC"], max_results=1)
    s.call("bad filter", names, filter_string="color = 'red'")
    s.call("bad order", names, order_by=["color ASC"])
    s.call("delete", datasets.delete_dataset, dataset_id=one.dataset_id)
    s.call("get deleted", datasets.get_dataset, dataset_id=one.dataset_id)
    s.call("delete again", datasets.delete_dataset, dataset_id=one.dataset_id)
    s.call("get missing", datasets.get_dataset, dataset_id="d-" + "0" * 32)
    s.call("tags of missing", datasets.set_dataset_tags, dataset_id="d-" + "0" * 32, tags={"a": "b"})
    s.call("search after", names, filter_string="name LIKE 'edit%'")
