"""test_scorers - what MLflow's clients register judges here, and judge files are scorers for them.

SPDX-License-Identifier: Apache-2.0
"""
import json
import sys

from harness import main, slow_data_processor
from server import Server
from test_judge import ANSWER, KEYS, LIST, TRACE, Model

API = "/api/3.0/mlflow/scorers"
EXPERIMENTS = "/api/2.0/mlflow/experiments"


def serialized(instructions, model="openai:/m"):
    """As mlflow's make_judge writes it."""
    return json.dumps({"name": "performance", "aggregations": [], "description": None, "is_session_level_scorer": False,
                       "mlflow_version": "3.17.2", "serialization_version": 1, "builtin_scorer_class": None, "call_source": None,
                       "instructions_judge_pydantic_data": {
                           "instructions": instructions, "model": model,
                           "feedback_value_type": {"enum": ["optimal", "needs_improvement"], "type": "string"}}})


def register(server, instructions, experiment="0", name="performance"):
    return server.json("POST", f"{API}/register", {"experiment_id": experiment, "name": name,
                                                   "serialized_scorer": serialized(instructions)})


def test_a_registered_scorer_judges(case):
    with Server(case) as server:
        assert server.json("POST", "/v1/traces", slow_data_processor()) is not None
        assert register(server, "Look at {{ trace }}.")["version"] == 1
        assert register(server, "Look well at {{ trace }}.")["version"] == 2
        # Beside the running server, from the same file.
        (listed,) = case.ok("judges", "list", "--json").json()
        assert (listed["name"], listed["version"]) == ("performance", 2), listed
        assert case.ok("judges", "show", "performance", "--version", 1).out == serialized("Look at {{ trace }}.")
        with Model(case, [{"calls": [LIST]}, {"answer": ANSWER}]) as model:
            done = case.run("judge", "performance", TRACE, "--json", *model.arguments("openai-chat"), env=KEYS)
            assert done.code == 0, done.out + done.err
            assert "Look well at" in json.dumps(model.requests()[0]["body"])
        (verdict,) = done.json()
        assert (verdict["judge"], verdict["judge_version"], verdict["value"]) == ("performance", "2", "needs_improvement"), verdict
        # And the client sees the feedback.
        info = server.json("GET", f"/api/3.0/mlflow/traces/tr-{TRACE}")["trace"]["trace_info"]
        assert [a["assessment_name"] for a in info["assessments"]] == ["performance"], info


def test_one_name_in_two_experiments(case):
    with Server(case) as server:
        server.json("POST", f"{EXPERIMENTS}/create", {"name": "other"})
        register(server, "Zero: {{ trace }}")
        register(server, "One: {{ trace }}", experiment="1")
        names = [judge["name"] for judge in case.ok("judges", "list", "--json").json()]
        assert names == ["0/performance", "1/performance"], names
        assert case.ok("judges", "show", "1/performance").out == serialized("One: {{ trace }}")
        case.fails(3, "say which, as 0/performance", "judges", "show", "performance")


def test_a_judge_file_is_a_scorer(case):
    file = "---\nname: tool_use\nmodel: openai:/m\nvalue: [good, bad]\n---\nRate the {{ trace }}.\n"
    with Server(case) as server:
        case.ok("judges", "add", case.write("tool_use.md", file))
        case.ok("judges", "add", case.write("no_model.md", "Rate the {{ trace }}."))
        (scorer,) = server.json("GET", f"{API}/list?experiment_id=0")["scorers"]
        assert (scorer["scorer_name"], scorer["scorer_version"]) == ("tool_use", 1), scorer
        data = json.loads(scorer["serialized_scorer"])["instructions_judge_pydantic_data"]
        assert data["instructions"] == "Rate the {{ trace }}." and data["feedback_value_type"]["enum"] == ["good", "bad"], data
        status, _, body = server.request("GET", f"{API}/get?experiment_id=0&name=no_model")
        assert status == 400 and b"has no model" in body, body
        status, _, body = server.request("DELETE", f"{API}/delete", {"experiment_id": "0", "name": "tool_use"})
        assert status == 400 and b"is a judge file" in body, body
        # A client that registers what it got gives the file back, not its JSON.
        server.json("POST", f"{API}/register", {"experiment_id": "0", "name": "copy", "serialized_scorer": scorer["serialized_scorer"]})
        assert case.ok("judges", "show", "copy").out == file


def test_a_scorer_of_another_kind_cannot_judge(case):
    with Server(case) as server:
        server.json("POST", f"{API}/register", {"experiment_id": "0", "name": "safe",
                                                "serialized_scorer": json.dumps({"name": "safe", "builtin_scorer_class": "Safety"})})
        assert case.ok("judges", "list", "--json").out == ""
        case.fails(3, "not made of instructions", "judges", "show", "safe")
        status, _, body = server.request("POST", f"{API}/register", {
            "experiment_id": "0", "name": "code", "serialized_scorer": json.dumps({"call_source": "print(1)"})})
        assert status == 400 and b"runs no code that clients send" in body, body


if __name__ == "__main__":
    main(sys.modules[__name__])
