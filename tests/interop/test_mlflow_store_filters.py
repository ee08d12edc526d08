"""test_mlflow_store_filters - random filters: a real MLflow server as the store, and the same traces in a file.

SPDX-License-Identifier: Apache-2.0

What the server is asked and what is tried here must together give what our own store gives: the traces that the
client logged are exported, imported into a file, and both are asked the same.  Run with two versions of MLflow.
TRACEJUDGE_TEST_SEED repeats a run.
"""
import os
import random
import sys
import types

import harness
import mlflow
from mlflow.entities import AssessmentSource
from mlflow.tracing.provider import safe_set_span_in_context
from test_mlflow_filters import ORDERS, WORDS, clause
from test_mlflow_store import real, store_of

TRACES = 30
FILTERS = int(os.environ.get("TRACEJUDGE_TEST_FILTERS", 40))
ODD = ["naïve é", "ſkew K", "50%_off", "a'b", 'say "so"', "back\\slash", "line\nbreak", "", "  blank ", "🎈", "5", "5.0", "true"]


def log_one(dice, n):
    """One trace, somewhere in 20 ms, so that some begin at the same time."""
    start = 1_777_708_800_000 + dice.randrange(20)
    words = WORDS + ODD
    length = dice.choice([20, 21, 100, 2500])
    root = mlflow.start_span_no_context(
        dice.choice(["fetch", "Fetch", "chat", "plan it"]), span_type=dice.choice(["AGENT", "LLM", "UNKNOWN"]),
        inputs={"q": dice.choice(words)}, start_time_ns=start * 10**6)
    with safe_set_span_in_context(root):  # 3.5 can say metadata in no other way
        mlflow.update_current_trace(
            tags={k: dice.choice(words) for k in ("env", "a b", "n") if dice.random() < 0.6},
            metadata={k: dice.choice(words) for k in ("build", "mlflow.trace.session") if dice.random() < 0.5})
    for i in range(dice.randrange(3)):
        child = mlflow.start_span_no_context(dice.choice(["fetch", "Fetch", "chat", "plan it"]), parent_span=root,
                                             span_type=dice.choice(["TOOL", "LLM"]), start_time_ns=(start + i) * 10**6,
                                             attributes={"model": dice.choice(["gpt-4o", "claude", "mini"]), "n": i})
        child.set_outputs(dice.choice(words))
        child.end(status=dice.choice(["OK", "ERROR", "UNSET"]), end_time_ns=(start + i + 5) * 10**6)
    root.set_outputs(dice.choice(words))
    root.end(status=dice.choice(["OK", "ERROR"]), end_time_ns=(start + length) * 10**6)
    return root.trace_id


def say_of(dice, trace_id, session):
    source = AssessmentSource(source_type="HUMAN", source_id="ann")
    for name in ("verdict", "score"):
        if dice.random() < 0.5:
            value = dice.choice(["yes", "no", "Yes", "5"]) if name == "verdict" else dice.choice([0.25, 1.5, 7.5, True, "text", "1.5"])
            metadata = {"mlflow.trace.session": session} if session and dice.random() < 0.4 else None
            mlflow.log_feedback(trace_id=trace_id, name=name, value=value, source=source, metadata=metadata)
    if dice.random() < 0.3:
        mlflow.log_expectation(trace_id=trace_id, name="answer", value=dice.choice(["42", "none"]), source=source)


def more(dice):
    """What that other test leaves out, since MLflow cannot say it."""
    whole = dice.choice(WORDS + [w for w in ODD if w])
    word, start, part = (text.replace("'", "''") for text in (whole, whole[:2], whole[1:4] or whole))
    key = dice.choice(["tag.env", "tag.`a b`", "metadata.build", "name", "metadata.`mlflow.trace.session`"])
    return dice.choice([f"{key} = '{word}'", f"{key} != '{word}'", f"{key} ILIKE '%{part}%'", f"{key} LIKE '{start}%'",
                        f"text LIKE '%{word}%'", f"text ILIKE '%{part}%'", f"span.content ILIKE '%{word}%'",
                        "span.attributes.n = '1'", "span.attributes.n != '1'", "span.attributes.model = 'mini'",
                        "feedback.verdict = '5'", "feedback.score = '1.50'", "feedback.score > 1"])


def expression(dice, infos, depth=0):
    kind = dice.random()
    if depth < 2 and kind < 0.3:
        return f"({expression(dice, infos, depth + 1)} OR {expression(dice, infos, depth + 1)})"
    if depth < 2 and kind < 0.45:
        return f"NOT {expression(dice, infos, depth + 1)}"
    if depth < 2 and kind < 0.75:
        return f"({expression(dice, infos, depth + 1)} AND {expression(dice, infos, depth + 1)})"
    while True:
        one = more(dice) if dice.random() < 0.4 else clause(dice, infos)
        if not one.startswith("run_id"):
            return one


def ids_of(case, store, *arguments):
    """Of all pages."""
    case.store, ids, more_pages = store, [], []
    for _ in range(50):
        page = case.ok("traces", "--ids", *arguments, *more_pages)
        ids += page.out.split()
        if "--page" not in page.err:
            return ids
        more_pages = ["--page", page.err.split("--page ")[1].strip()]
    raise AssertionError(f"{arguments}: pages without an end")


def test_random_filters(case):
    seed = int(os.environ.get("TRACEJUDGE_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"# seed {seed}")
    dice, local = random.Random(seed), case.store
    remote = store_of(real().uri, f"filters {seed}")
    mlflow.set_experiment(f"filters {seed}")
    ids = [log_one(dice, n) for n in range(TRACES)]
    mlflow.flush_trace_async_logging()
    for n, trace_id in enumerate(ids):
        say_of(dice, trace_id, mlflow.get_trace(trace_id).info.trace_metadata.get("mlflow.trace.session"))
        case.ok("import", case.write(f"{n}.json", mlflow.get_trace(trace_id).to_json()))
    infos = [types.SimpleNamespace(trace_id=i) for i in ids]
    wrong, matched = [], 0
    for _ in range(FILTERS):
        text, order = expression(dice, infos), dice.choice(ORDERS)
        arguments = ["--filter", text, "--max", dice.choice([15, 100])]
        for part in order:
            arguments += ["--order-by", part]
        found = [ids_of(case, store, *arguments) for store in (local, remote)]
        matched += len(found[0])
        if found[0] != found[1]:
            places = [[ids.index("tr-" + i) for i in f] for f in found]
            wrong.append(f"{text} {order}\n#   here  {places[0]}\n#   there {places[1]}")
    assert not wrong, f"seed {seed}: {len(wrong)} of {FILTERS}:\n# " + "\n# ".join(wrong[:12])
    assert matched > FILTERS


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
