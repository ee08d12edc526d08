"""evaluate - mlflow.genai.evaluate with code scorers, and what it leaves behind.

SPDX-License-Identifier: Apache-2.0
"""
import mlflow
import mlflow.genai
from mlflow.entities import AssessmentSource, Feedback
from mlflow.genai.scorers import scorer
from record import step
from scenario.common import chosen, experiment


@scorer
def exact(outputs, expectations):
    return outputs == expectations["answer"]


@scorer(aggregations=["mean", "min", "max", "median", "p90", "variance"])
def length(outputs):
    return len(str(outputs))


@scorer
def graded(inputs, outputs):
    return Feedback(value="yes" if "a" in str(outputs) else "no", rationale=f"looked at {inputs}", metadata={"m": "1"},
                    source=AssessmentSource("LLM_JUDGE", "fake:/model"))


@scorer
def several(outputs):
    return [Feedback(name="one", value=1), Feedback(name="two", value="high")]


@scorer
def breaks(outputs):
    raise ValueError(f"cannot score {outputs}")


@scorer
def silent(outputs):
    return None


@scorer
def looks(trace):
    return sum(1 for span in trace.data.spans if span.span_type == "TOOL")


SCORERS = [exact, length, graded, several, breaks, silent, looks]


def note_result(s, label, result, here):
    s.name(result.run_id, f"run of {label}")
    s.note(f"{label}: metrics", result.metrics)
    frame = result.result_df
    s.note(f"{label}: columns", sorted(frame.columns))
    rows = []
    for row in frame.to_dict("records"):
        s.names.setdefault(row["trace_id"][3:], f"<trace of {label} {row['request']}>")
        rows.append({k: str(v) if k == "state" else v for k, v in row.items()
                     if k.endswith("/value") or k in ("trace_id", "state", "request", "response", "tags")})
    s.note(f"{label}: rows", sorted(rows, key=lambda row: str(row["request"])))
    run = mlflow.get_run(result.run_id)
    s.note(f"{label}: run", run)
    traces = mlflow.search_traces(locations=[here], run_id=result.run_id, return_type="list")
    s.note(f"{label}: traces of the run", sorted(traces, key=lambda t: str(t.data.request)))
    s.note(f"{label}: all traces", len(mlflow.search_traces(locations=[here], return_type="list", include_spans=False)))


@step
def evaluate_predict_fn(s):
    """A list of dicts and a predict_fn."""
    here = experiment(s, "evaluate predict")

    @mlflow.trace(span_type="TOOL")
    def lookup(q):
        return {"capital of a": "apple", "capital of b": "b"}.get(q, "none")

    def predict(question):
        if question == "boom":
            raise RuntimeError("predict broke")
        return lookup(question)

    data = [{"inputs": {"question": "capital of a"}, "expectations": {"answer": "apple"}},
            {"inputs": {"question": "capital of b"}, "expectations": {"answer": "c"}, "tags": {"hard": "yes"}},
            {"inputs": {"question": "ж 🎈"}, "expectations": {"answer": "none"}}]
    note_result(s, "predict", mlflow.genai.evaluate(data=data, predict_fn=predict, scorers=SCORERS), here)
    data.append({"inputs": {"question": "boom"}, "expectations": {"answer": "x"}})
    note_result(s, "predict that breaks", mlflow.genai.evaluate(data=data[2:], predict_fn=predict, scorers=[exact]), here)


@step
def evaluate_static_rows(s):
    """Rows that bring their outputs."""
    here = experiment(s, "evaluate static")
    data = [{"inputs": {"q": "one"}, "outputs": "1", "expectations": {"answer": "1", "facts": ["a", "b"]}},
            {"inputs": {"q": "two"}, "outputs": {"text": "a two"}, "expectations": {"answer": "2"}},
            {"inputs": {"q": "three", "n": 3}, "outputs": None, "expectations": {"answer": "3"}}]
    note_result(s, "static", mlflow.genai.evaluate(data=data, scorers=SCORERS), here)


@step
def evaluate_traces(s):
    """Traces that are there, with expectations logged on them; twice; in a run of one's own."""
    here = experiment(s, "evaluate traces")
    ids = [chosen(s, f"judged {n}", start=n * 1000, inputs={"q": n}, outputs=f"answer {n}",
                  children=[("look", "TOOL", 1, 2, {}, "OK")] * n) for n in range(3)]
    mlflow.flush_trace_async_logging()
    for n, trace_id in enumerate(ids):
        mlflow.log_expectation(trace_id=trace_id, name="answer", value=f"answer {n % 2}")
        mlflow.log_feedback(trace_id=trace_id, name="earlier", value=n)
    traces = mlflow.search_traces(locations=[here], return_type="list", order_by=["timestamp ASC"])
    note_result(s, "traces", mlflow.genai.evaluate(data=traces, scorers=SCORERS), here)
    frame = mlflow.search_traces(locations=[here], order_by=["timestamp ASC"], filter_string="name = 'judged 1'")
    with mlflow.start_run(run_name="my own run"):
        note_result(s, "frame", mlflow.genai.evaluate(data=frame, scorers=[looks]), here)
    s.note("runs", [[r.info.run_name.split("-")[0] == "my own run", r.info.status, r.data.tags.get("mlflow.runType"),
                     sorted(r.data.metrics)] for r in mlflow.search_runs([here], output_format="list", order_by=["start_time ASC"])])


@step
def evaluate_refused(s):
    """Data that evaluate does not take."""
    experiment(s, "evaluate refused")
    s.call("inputs no dict", mlflow.genai.evaluate, data=[{"inputs": "text", "outputs": "x"}], scorers=[length])
    s.call("no data", mlflow.genai.evaluate, data=[], scorers=[length])
    s.call("outputs and predict_fn", lambda: mlflow.genai.evaluate(data=[{"inputs": {"q": 1}, "outputs": "x"}],
                                                                   predict_fn=lambda q: q, scorers=[length]).metrics)
    s.call("no inputs", mlflow.genai.evaluate, data=[{"outputs": "x"}], scorers=[length])
