"""test_mlflow_store - the command line on mlflow+http://, against a strict and faulty server.

SPDX-License-Identifier: Apache-2.0

The server is tests/unit/store/mlflow_server.py; a real one is in tests/interop.
"""
import base64
import http.client
import json
import subprocess
import sys

from harness import SOURCE, main

TRACE = "tr-" + "0" * 31 + "1"
JUDGE = """---
name: no_errors
model: builtin:/rules
value: bool
pass: true
rules: {value_of: {high: false, medium: false, low: true, none: true}}
---
Look at the {{ trace }}: did everything in it go well?
"""
SPAN = {"trace_id": base64.b64encode(bytes(15) + b"\1").decode(), "span_id": base64.b64encode(bytes(7) + b"\1").decode(),
        "name": "root", "start_time_unix_nano": 1777708800000000000, "end_time_unix_nano": 1777708801000000000,
        "attributes": [{"key": "mlflow.spanInputs", "value": {"string_value": "why"}}],
        "status": {"code": "STATUS_CODE_OK"}}
INFO = {"trace_id": TRACE, "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
        "request_time": "2026-05-02T08:00:00Z", "execution_duration": "1s", "state": "OK",
        "tags": {"mlflow.traceName": "root", "mlflow.trace.spansLocation": "TRACKING_STORE"}}


class Mlflow:
    def __init__(self, case, **state):
        self.case, self.state = case, state

    def __enter__(self):
        script = SOURCE / "tests" / "unit" / "store" / "mlflow_server.py"
        self.process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.case.store = f"mlflow+http://127.0.0.1:{self.port}/s"
        self.tell(traces=[{"info": INFO, "spans": [SPAN], "artifact": [SPAN]}], **self.state)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def ask(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST" if body else "GET", path, body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def tell(self, **state):
        self.ask("/_control/s", json.dumps(state))

    def look(self):
        return self.ask("/_log/s")

    def feedback(self):
        return self.look()["traces"][TRACE]["info"].get("assessments", [])


def judged(case, **state):
    with Mlflow(case, **state) as server:
        path = case.write("no_errors.md", JUDGE)
        verdict = case.ok("judge", path, TRACE, "--json").json()[0]
        assert verdict["value"] is True, verdict
        stored = server.feedback()
        assert [a["assessment_id"] for a in stored] == [verdict["assessment_id"]], stored
        return verdict, server.look()


def test_the_run_goes_over_otlp(case):
    verdict, seen = judged(case)
    assert len(seen["otlp"]) == 1 and seen["otlp"][0]["experiment"] == "1", seen["otlp"]
    assert seen["traces"][verdict["judge_trace_id"]]["info"]["tags"]["mlflow.trace.sourceScorer"] == "no_errors"


def test_an_old_server_takes_no_run(case):
    """The verdict stands without it."""
    verdict, seen = judged(case, old=True)
    assert verdict["judge_trace_id"] is None and not seen["otlp"], verdict


def test_a_run_may_be_too_large_for_a_proxy(case):
    verdict, _ = judged(case, faults=[{"match": "/v1/traces", "kind": "status:413"}])
    assert verdict["judge_trace_id"] is None, verdict


def test_a_lost_answer_is_not_a_second_feedback(case):
    judged(case, faults=[{"match": f"POST /api/3.0/mlflow/traces/{TRACE}", "kind": "do-cut"}])


def test_six_requests_for_each_trace(case):
    """Info and spans, the judge's run and its info, what is said already and what is new."""
    with Mlflow(case) as server:
        server.tell(log=[], traces=[{"info": {**INFO, "trace_id": f"tr-{n:032x}"}, "spans": [SPAN], "artifact": None} for n in range(1, 21)])
        path = case.write("no_errors.md", JUDGE)
        assert len(case.ok("judge", path, "--filter", "name = 'root'", "--json").json()) == 20
        seen = server.look()["log"]
        assert len(seen) <= 6 * 20 + 5, (len(seen), seen[:40])


def test_dry_run_writes_nothing(case):
    with Mlflow(case) as server:
        case.ok("judge", case.write("no_errors.md", JUDGE), TRACE, "--dry-run")
        assert not [line for line in server.look()["log"] if "search" not in line and not line.startswith("GET")]


def test_exit_codes(case):
    with Mlflow(case, auth="Bearer t") as server:
        case.fails(4, "MLFLOW_TRACKING_TOKEN", "traces")
        case.ok("traces", env={"MLFLOW_TRACKING_TOKEN": "t"})
        server.tell(auth=None)
        case.fails(3, "no trace has the id", "show", "tr-" + "f" * 32)
        server.tell(faults=[{"match": "search", "kind": "cut", "times": 99}])
        case.fails(5, "127.0.0.1", "traces", env={"MLFLOW_HTTP_REQUEST_TIMEOUT": "5"})
        server.tell(faults=[])
        assert "MLflow 3.17.2" in case.ok("doctor").out
    case.fails(5, "127.0.0.1", "traces")
    case.store = "mlflow+http://me:s3cret@127.0.0.1"
    assert "s3cret" not in case.fails(3, "MLFLOW_TRACKING_PASSWORD", "traces").err


if __name__ == "__main__":
    main(sys.modules[__name__])
