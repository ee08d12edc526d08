"""test_mlflow_filters - random filters over random traces: the same answers as MLflow's own store.

SPDX-License-Identifier: Apache-2.0

The same traces go into MLflow's SqlAlchemyStore (in this process, on a SQLite file) and, through its
RestStore, into `tracejudge serve`; then the same filters and orders.  What MLflow cannot say or gets
wrong is not asked: see src/store/filter.h.  TRACEJUDGE_TEST_SEED repeats a run.
"""
import json
import logging
import os
import random
import sys
import warnings

import harness
from mlflow.entities import AssessmentSource, Expectation, Feedback, TraceInfo, TraceLocation
from mlflow.entities.span import create_mlflow_span
from mlflow.entities.trace_state import TraceState
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.rest_utils import MlflowHostCreds
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanContext, Status, StatusCode
from server import Server

logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore")

BASE_MS = 1_777_708_800_000
TRACES = 60
FILTERS = 400
WORDS = ["alpha", "Alpha", "beta", "gamma ray", "prod", "dev", "a_b", "100%", "x.y", "zeta", "yes", "no"]
SESSIONS = ["s-1", "s-2", "S-3"]


# -- the traces ---------------------------------------------------------------------------------------


def make_spans(dice, number, trace_id, start_ms):
    """Root and some children, as the client would send them."""
    made, parent = [], None
    for i in range(1 + dice.randrange(4)):
        context = SpanContext(int(trace_id[3:], 16), number * 16 + i + 1, is_remote=False)
        kind = dice.choice(["LLM", "TOOL", "AGENT", "UNKNOWN"])
        attributes = {"mlflow.traceRequestId": json.dumps(trace_id), "mlflow.spanType": json.dumps(kind),
                      "mlflow.spanInputs": json.dumps({"q": dice.choice(WORDS)})}
        if dice.random() < 0.6:
            attributes["model"] = json.dumps(dice.choice(["gpt-4o", "claude", "mini"]))
        span = ReadableSpan(name=dice.choice(["fetch", "Fetch", "chat", "plan it"]), context=context, parent=parent,
                            attributes=attributes, start_time=(start_ms + i) * 10**6, end_time=(start_ms + i + 5) * 10**6,
                            status=Status(dice.choice([StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET])))
        made.append(create_mlflow_span(span, trace_id, kind))
        parent = parent or context
    return made


def make_trace(dice, number, experiment):
    trace_id = "tr-" + "%032x" % dice.getrandbits(128)
    start = BASE_MS + dice.randrange(20) * 1000
    tags = {k: dice.choice(WORDS) for k in ("env", "a b", "n") if dice.random() < 0.5}
    metadata = {k: dice.choice(WORDS) for k in ("build", "mlflow.modelId") if dice.random() < 0.5}
    if dice.random() < 0.5:
        metadata["mlflow.trace.session"] = dice.choice(SESSIONS)
    if dice.random() < 0.4:
        metadata["mlflow.trace.user"] = dice.choice(["ann", "bob"])
    if dice.random() < 0.3:
        metadata["mlflow.sourceRun"] = dice.choice(["r1", "r2"])
    tags["mlflow.traceName"] = dice.choice(WORDS)  # without it, the root span's name is the trace's name here
    state = dice.choice([TraceState.OK, TraceState.ERROR])
    return TraceInfo(trace_id=trace_id, trace_location=TraceLocation.from_experiment_id(experiment), request_time=start,
                     state=state, execution_duration=dice.choice([20, 21, 100, 2500]), trace_metadata=metadata, tags=tags,
                     client_request_id=dice.choice([None, "c-1", "c-2"]))


def make_assessments(dice, info):
    source = AssessmentSource(source_type="HUMAN", source_id="ann")
    for name in ("verdict", "score"):
        if dice.random() < 0.6:
            continue
        value = dice.choice(["yes", "no", "Yes"]) if name == "verdict" else dice.choice([0.25, 1.5, 7.5, True, "text"])
        metadata = None
        if "mlflow.trace.session" in info.trace_metadata and dice.random() < 0.3:
            metadata = {"mlflow.trace.session": info.trace_metadata["mlflow.trace.session"]}
        yield Feedback(name=name, value=value, source=source, trace_id=info.trace_id, metadata=metadata)
    if dice.random() < 0.3:
        yield Expectation(name="answer", value=dice.choice(["42", "none"]), source=source, trace_id=info.trace_id)


def fill(stores, experiments, dice):
    for number in range(TRACES):
        info = make_trace(dice, number, experiments[0])
        spans = make_spans(dice, number, info.trace_id, info.request_time)
        assessments = list(make_assessments(dice, info))
        for store, experiment in zip(stores, experiments):
            copy = TraceInfo.from_dict(info.to_dict())
            copy.trace_location = TraceLocation.from_experiment_id(experiment)
            store.start_trace(copy)
            store.log_spans(experiment, spans)
            for assessment in assessments:
                store.create_assessment(assessment)
        yield info


# -- the filters --------------------------------------------------------------------------------------


def text_test(dice, words, lists=False, nulls=False):
    word = dice.choice(words)
    part = word[dice.randrange(len(word)):] or word
    choices = [f"= '{word}'", f"!= '{word}'", f"LIKE '%{part}%'", f"LIKE '{word[:2]}%'", f"ILIKE '%{part.upper()}%'",
               f"ILIKE '{word.upper()}'", "RLIKE '^[a-f]'", "RLIKE 'a$'"]
    if lists:
        choices += [f"IN ('{word}', 'zeta')", f"NOT IN ('{word}', 'zeta')"]
    if nulls:
        choices += ["IS NULL", "IS NOT NULL"]
    return dice.choice(choices)


def clause(dice, infos):
    number = dice.choice(["=", "!=", "<", "<=", ">", ">="])
    one, other = dice.sample(infos, 2)
    return dice.choice([
        lambda: "status " + dice.choice(["= 'OK'", "!= 'OK'", "IN ('ERROR')", "NOT IN ('ERROR', 'X')", "LIKE 'E%'"]),
        lambda: f"timestamp_ms {number} {BASE_MS + dice.randrange(20) * 1000}",
        lambda: f"execution_time {number} {dice.choice([0, 20, 50, 100, 2500])}",
        lambda: f"end_time {number} {BASE_MS + dice.randrange(20) * 1000 + 20}",
        lambda: f"request_id = '{one.trace_id}'",
        lambda: f"request_id IN ('{one.trace_id}', '{other.trace_id}')",
        lambda: f"request_id NOT IN ('{one.trace_id}', '{other.trace_id}')",
        lambda: f"request_id LIKE '{one.trace_id[:4]}%'",
        lambda: "client_request_id " + dice.choice(["= 'c-1'", "!= 'c-1'", "IN ('c-1', 'c-2')", "LIKE 'c%'"]),
        lambda: "name " + text_test(dice, WORDS),
        lambda: "run_id " + dice.choice(["= 'r1'", "= 'r2'", "!= 'r1'", "LIKE 'r%'"]),
        lambda: "tag.env " + text_test(dice, WORDS, nulls=True),
        lambda: "tag.`a b` " + text_test(dice, WORDS, nulls=True),
        lambda: "metadata.build " + text_test(dice, WORDS, nulls=True),
        lambda: "request_metadata.mlflow.trace.session " + text_test(dice, SESSIONS, nulls=True),
        lambda: "request_metadata.\"mlflow.trace.user\" " + text_test(dice, ["ann", "bob"], nulls=True),
        lambda: "request_metadata.\"mlflow.modelId\" " + text_test(dice, WORDS, nulls=True),
        lambda: "feedback.verdict " + dice.choice(["= 'yes'", "!= 'yes'", "= 'Yes'", "ILIKE '%YES%'", "IS NULL", "IS NOT NULL"]),
        lambda: f"feedback.score {dice.choice(['<', '<=', '>', '>='])} {dice.choice([0.25, 1.0, 7.5])}",
        lambda: "feedback.score " + dice.choice(["= '1.5'", "= 'true'", "= 'text'", "IS NULL", "!= 'text'"]),
        lambda: "expectation.answer " + dice.choice(["= '42'", "!= '42'", "IS NULL", "IS NOT NULL", "LIKE '%2%'"]),
        lambda: "span.name " + text_test(dice, ["fetch", "Fetch", "chat", "plan it"], lists=True),
        lambda: "span.type " + dice.choice(["= 'LLM'", "!= 'LLM'", "IN ('TOOL', 'AGENT')", "ILIKE 'tool'"]),
        lambda: "span.status " + dice.choice(["= 'ERROR'", "!= 'OK'", "IN ('UNSET')", "NOT IN ('OK', 'ERROR')"]),
        lambda: f"span.attributes.model LIKE '%{dice.choice(['gpt', 'claude', 'mini', 'none'])}%'",
        lambda: f"trace.text ILIKE '%{dice.choice(WORDS[:2] + WORDS[3:6]).upper()}%'",
        lambda: f"span.content LIKE '%{dice.choice(['gamma ray', 'zeta', 'nowhere'])}%'",
    ])()


ORDERS = [[], ["timestamp ASC"], ["timestamp DESC"], ["execution_time DESC"], ["status ASC", "execution_time ASC"], ["name ASC"],
          ["name DESC", "timestamp ASC"], ["tag.env ASC"], ["tag.env DESC"], ["metadata.build ASC", "name DESC"], ["request_id DESC"],
          ["run_id ASC"], ["request_metadata.`mlflow.trace.session` DESC"]]


def answer(store, experiment, text, order, size):
    """The ids of all pages; or the refusal."""
    ids, token = [], None
    try:
        while True:
            found, token = store.search_traces(locations=[experiment], filter_string=text, order_by=order, max_results=size,
                                               page_token=token)
            ids += [info.trace_id for info in found]
            if not token:
                return ids
    except Exception as e:  # which one it is, is what is compared
        return [str(e)]


def test_random_filters(case):
    seed = int(os.environ.get("TRACEJUDGE_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"# seed {seed}")
    dice = random.Random(seed)
    with Server(case) as server:
        theirs = SqlAlchemyStore(f"sqlite:///{case.folder}/mlflow.db", str(case.folder / "artifacts"))
        ours = RestStore(lambda: MlflowHostCreds(server.url))
        stores = [theirs, ours]
        experiments = [store.create_experiment("filters") for store in stores]
        infos = list(fill(stores, experiments, dice))
        wrong, matched = [], 0
        for _ in range(FILTERS):
            clauses = [clause(dice, infos) for _ in range(dice.choice([1, 1, 2, 3]))]
            while len([c for c in clauses if c.startswith("run_id =")]) > 1:  # of two, MLflow forgets the first
                clauses.pop()
            text = " AND ".join(clauses)
            order, size = dice.choice(ORDERS), dice.choice([7, 100])
            found = [answer(store, experiment, text, order, size) for store, experiment in zip(stores, experiments)]
            matched += len(found[0])
            if found[0] != found[1]:
                places = [[next((n for n, i in enumerate(infos) if i.trace_id == t), t) for t in ids] for ids in found]
                wrong.append(f"{text} {order}\n#   mlflow     {places[0]}\n#   tracejudge {places[1]}")
        assert not wrong, f"seed {seed}: {len(wrong)} of {FILTERS}:\n# " + "\n# ".join(wrong[:12])
        assert matched > FILTERS


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
