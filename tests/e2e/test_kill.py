"""test_kill - SIGKILL under load: every acknowledged span is there afterwards, once.

SPDX-License-Identifier: Apache-2.0

Fifty times: `tracejudge serve` on one store, writers that post spans, trace infos and feedback, and
a SIGKILL at a random moment.  What was acknowledged is remembered; the server of the next round (and
at the end a last one) must know all of it, each span once and with its text; and nothing else but what
was sent and not answered.  The seed is printed, so that a failure can be repeated.
"""
import http.client
import json
import os
import random
import sys
import threading

import harness
from server import Server

ROUNDS = int(os.environ.get("TRACEJUDGE_KILL_ROUNDS", "50"))
WRITERS = 6


def otlp_request(rng, marks):
    """An OTLP/JSON body with spans of one to three traces; marks gets (trace, span) -> text."""
    spans = []
    for _ in range(rng.randint(1, 3)):
        trace, parent = f"{rng.getrandbits(128):032x}", None
        for _ in range(rng.randint(1, 8)):
            span = f"{rng.getrandbits(64):016x}"
            text = f"text of {span} " + "x" * rng.randint(0, 3000)
            spans.append({"traceId": trace, "spanId": span, "name": "work", "startTimeUnixNano": "1777708800000000000",
                          "endTimeUnixNano": "1777708801000000000", **({"parentSpanId": parent} if parent else {}),
                          "attributes": [{"key": "text", "value": {"stringValue": text}}]})
            marks[trace, span] = text
            parent = span
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


class Writer(threading.Thread):
    """Posts until the server is gone.  `sent` is all it tried, `kept` what was acknowledged."""

    def __init__(self, port, seed, first_answer):
        super().__init__()
        self.port, self.rng, self.first_answer = port, random.Random(seed), first_answer
        self.sent, self.kept, self.feedback, self.errors = {}, {}, {}, []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while True:
                self.one(connection)
        except (OSError, http.client.HTTPException):
            pass  # killed: what was under way is neither kept nor lost
        except Exception as e:  # a wrong answer; the test reports it
            self.errors.append(repr(e))
        finally:
            connection.close()

    def post(self, connection, path, body):
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {content[:300]}"
        return json.loads(content)

    def one(self, connection):
        marks = {}
        body = otlp_request(self.rng, marks)
        self.sent.update(marks)
        answer = self.post(connection, "/v1/traces", body)
        assert "partialSuccess" not in answer or not answer["partialSuccess"].get("rejectedSpans"), answer
        self.kept.update(marks)
        self.first_answer.set()
        if self.rng.random() < 0.3:
            trace = next(iter(marks))[0]
            name = f"f{self.rng.getrandbits(40):x}"
            assessment = {"assessment_name": name, "source": {"source_type": "HUMAN", "source_id": "me"},
                          "feedback": {"value": "yes"}}
            answer = self.post(connection, f"/api/3.0/mlflow/traces/tr-{trace}/assessments",
                               json.dumps({"assessment": assessment}))
            self.feedback[trace, name] = answer["assessment"]["assessment_id"]


def read_trace(connection, trace):
    connection.request("GET", f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace}&allow_partial=true")
    answer = connection.getresponse()
    content = answer.read()
    return None if answer.status == 404 else json.loads(content)["trace"]


def span_text(span):
    for attribute in span["attributes"]:
        if attribute["key"] == "text":
            return attribute["value"]["string_value"]
    return None


def check(server, writers):
    """All that the writers of a round know against what the server has."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    sent, kept, feedback = {}, {}, {}
    for w in writers:
        assert not w.errors, w.errors
        sent.update(w.sent)
        kept.update(w.kept)
        feedback.update(w.feedback)
    found = {}
    for trace in {t for t, _ in sent}:
        whole = read_trace(connection, trace)
        if whole is None:
            continue
        for span in whole["spans"]:
            key = trace, base64_to_hex(span["span_id"])
            assert key not in found, f"twice: {key}"
            found[key] = span_text(span)
        names = {a["assessment_name"]: a["assessment_id"] for a in whole["trace_info"].get("assessments", [])}
        for (t, name), assessment_id in feedback.items():
            assert t != trace or names.get(name) == assessment_id, f"feedback {name} of {t} is lost"
    connection.close()
    lost = [key for key, text in kept.items() if found.get(key) != text]
    assert not lost, f"{len(lost)} acknowledged spans are lost or changed, the first: {lost[0]}"
    strange = [key for key, text in found.items() if sent.get(key) != text]
    assert not strange, f"{len(strange)} spans that nobody sent, the first: {strange[0]}"
    return len(kept), len(found) - len(kept)


def base64_to_hex(text):
    import base64
    return base64.b64decode(text).hex()


def test_kill_under_load(case):
    seed = int(os.environ.get("TRACEJUDGE_SEED", random.SystemRandom().getrandbits(32)))
    print(f"# seed {seed}", flush=True)
    rng = random.Random(seed)
    rounds, kept, unanswered = [], 0, 0
    for _ in range(ROUNDS):
        server = Server(case)
        if rounds:
            a, b = check(server, rounds[-1])
            kept, unanswered = kept + a, unanswered + b
        first = threading.Event()
        writers = [Writer(server.port, rng.getrandbits(64), first) for _ in range(WRITERS)]
        for w in writers:
            w.start()
        assert first.wait(60), "no request was answered"
        # The moment of the kill is what is random here: a wait, not a wait for something.
        threading.Event().wait(rng.uniform(0, 0.3))
        server.kill()
        for w in writers:
            w.join(60)
            assert not w.is_alive()
        rounds.append(writers)
    with Server(case) as server:
        for writers in rounds:
            check(server, writers)
    assert kept > ROUNDS, f"only {kept} spans were acknowledged in {ROUNDS} rounds: nothing was tested"
    print(f"# {ROUNDS} kills, {kept} spans acknowledged and all there, {unanswered} stored without an answer")


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
