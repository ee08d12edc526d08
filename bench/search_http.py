#!/usr/bin/env python3
"""search_http - the same searches over REST, against `mlflow server`, in one run.

SPDX-License-Identifier: Apache-2.0

    .interop/mlflow/bin/python bench/search_http.py [--traces 100000] [--both 5000] [--binary build-release/tracejudge]

Loads traces of ten spans through OTLP (protobuf) into a `tracejudge serve` and into a real `mlflow server`,
each on a new SQLite file, --both of them; then the same searches go to the one and to the other, and the
answers must name the same traces.  Then tracejudge alone gets --traces of them: mlflow takes too long to
load as many.  Prints a Markdown table and where it ran.
"""
import argparse
import http.client
import json
import os
import pathlib
import platform
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_NS = 1777708800 * 10**9
PER_REQUEST = 20
RUNS = 15
SECONDS = 20  # fewer runs of what takes long
PAGE = 100

# -- the traces ---------------------------------------------------------------------------------------

SYLLABLES = ["ra", "to", "min", "sel", "ka", "dor", "ine", "pu", "lis", "gre", "ov", "han", "ter", "wi", "cu", "bel", "sha",
             "ny", "fo", "qui"]


def word(n):
    text = ""
    while True:
        text += SYLLABLES[n % 20]
        n //= 20
        if not n:
            return text


def prose(dice, size):
    words, length = [], 0
    while length < size:
        w = word(int(dice.random() ** 3 * 8000)) if dice.random() > 0.05 else str(dice.randrange(100000))
        words.append(w)
        length += len(w) + 1
    return " ".join(words)


def trace_id(n):
    return f"{n * 2654435761 % 2**32:08x}{n + 1:024x}"


def add_trace(scope, n):
    dice = random.Random(n)
    start = START_NS + n * 10**9
    for i in range(10):
        span = scope.spans.add()
        span.trace_id = bytes.fromhex(trace_id(n))
        span.span_id = bytes.fromhex(f"{n:08x}{i + 1:08x}")
        if i:
            span.parent_span_id = bytes.fromhex(f"{n:08x}{i // 3 + 1:08x}")
        span.name = f"tool_{n % 2000}" if i == 5 else f"step_{i}"
        span.start_time_unix_nano = start + i * 10**6
        span.end_time_unix_nano = start + 10**6 * (20 + dice.randrange(5000) // (1 + i))
        span.status.code = 2 if i == 0 and n % 50 == 0 else 1
        output = prose(dice, 100 + dice.randrange(200))
        if i == 4:
            output += f" xylo{n % 500}phon"
        if i == 7 and n % 3 == 0:
            output += " and so on"
        values = {"mlflow.spanType": "AGENT" if i == 0 else "TOOL" if i % 3 else "LLM", "input.value": prose(dice, 150),
                  "output.value": output, "llm.model_name": f"model-{n % 8}"}
        if i == 2:
            values["customer"] = f"customer-{n * 7919 % 500}"
        for key, value in values.items():
            pair = span.attributes.add()
            pair.key, pair.value.string_value = key, value


class Server:
    """One of the two, and a connection to it."""

    def __init__(self, name, process, port):
        self.name, self.process, self.port, self.connection = name, process, port, None
        self.experiment = self.json("POST", "/api/2.0/mlflow/experiments/create", {"name": "bench"})["experiment_id"]

    def connect(self):
        """Anew: one of two servers idles while the other is at work, and may have hung up."""
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def send(self, method, path, body, headers):
        if not self.connection:
            self.connect()
        for attempt in range(5):  # a worker of mlflow's may end amid a request on a busy machine; all here is idempotent
            try:
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                break
            except (http.client.HTTPException, OSError):
                if attempt == 4:
                    raise
                time.sleep(1)
                self.connect()
        content = answer.read()
        if answer.status != 200:
            sys.exit(f"{self.name}: {method} {path}: {answer.status} {content[:500]!r}")
        return content

    def json(self, method, path, body):
        return json.loads(self.send(method, path, json.dumps(body), {"Content-Type": "application/json"}))

    def load(self, first, end):
        self.connect()
        began = time.monotonic()
        for at in range(first, end, PER_REQUEST):
            request = ExportTraceServiceRequest()
            scope = request.resource_spans.add().scope_spans.add()
            for n in range(at, min(at + PER_REQUEST, end)):
                add_trace(scope, n)
            self.send("POST", "/v1/traces", request.SerializeToString(),
                      {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": self.experiment})
        for n in range(first, end):
            if n % 1000 == 7:
                self.json("PATCH", f"/api/2.0/mlflow/traces/tr-{trace_id(n)}/tags", {"key": "incident", "value": "yes"})
        return time.monotonic() - began

    def end(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def search(self, text, order, token=None, size=PAGE):
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment}}
        body = {"locations": [place], "max_results": size}
        if text:
            body["filter"] = text
        if order:
            body["order_by"] = [order]
        if token:
            body["page_token"] = token
        return self.json("POST", "/api/3.0/mlflow/traces/search", body)


# -- the searches -------------------------------------------------------------------------------------

SEARCHES = [
    ("newest", None, None),
    ("status and time", f"status = 'ERROR' AND timestamp_ms < {START_NS // 10**6 + 4_000_000}", None),
    ("tag, 1 of 1000", "tag.incident = 'yes'", None),
    ("span name", "span.name = 'tool_17'", None),
    ("span attribute", "span.attributes.customer LIKE '%customer-257%'", None),
    ("no such attribute", "span.attributes.customer LIKE '%nobody%'", None),
    ("text, frequent", "trace.text ILIKE '%and so on%'", None),
    ("text, rare", "trace.text ILIKE '%xylo17phon%'", None),
    ("text, none", "trace.text ILIKE '%zanzibar%'", None),
    ("slowest", None, "execution_time DESC"),
]


def measure(server, text, order, token=None):
    times, ids = [], None
    server.connect()
    while len(times) < RUNS and sum(times) < SECONDS * 1000:
        began = time.perf_counter()
        found = server.search(text, order, token)
        times.append((time.perf_counter() - began) * 1000)
        ids = [t["trace_id"] for t in found.get("traces", [])]
    return statistics.median(times), max(times), ids


def page_at(server, share, traces):
    token, seen = None, 0
    while seen < traces * share:
        found = server.search(None, None, token, 500)
        token, seen = found.get("next_page_token"), seen + len(found.get("traces", []))
        if not token:
            break
    return token


def compare(servers, traces):
    print(f"\n{traces:,} traces, 100 wanted, p50 / max of up to {RUNS} in ms")
    print("\n| search | found | " + " | ".join(s.name for s in servers) + (" | times |" if len(servers) > 1 else " |"))
    print("|---|---|" + "---|" * (len(servers) + (len(servers) > 1)))
    rows = [(name, text, order, [None] * len(servers)) for name, text, order in SEARCHES]
    rows.append(("page in the middle", None, None, [page_at(s, 0.5, traces) for s in servers]))
    for name, text, order, tokens in rows:
        results = [measure(s, text, order, t) for s, t in zip(servers, tokens)]
        cells = " | ".join(f"{p50:.1f} / {most:.1f}" for p50, most, _ in results)
        same = ""
        if len(results) > 1:
            same = f" | {results[1][0] / results[0][0]:.0f}"
            if sorted(results[0][2]) != sorted(results[1][2]):
                same += " (**other traces**)"
        print(f"| {name} | {len(results[0][2])} | {cells}{same} |", flush=True)


# -- the servers --------------------------------------------------------------------------------------


def start_ours(binary, folder):
    process = subprocess.Popen([binary, "serve", "--port", "0", "--store", str(folder / "ours.db"), "--log-level", "warn"],
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    return Server("tracejudge", process, int(process.stdout.readline().strip().rsplit(":", 1)[1]))


def start_mlflow(folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    binary = pathlib.Path(sys.executable).with_name("mlflow")
    log = open(folder / "mlflow.log", "w", encoding="utf-8")
    process = subprocess.Popen([binary, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
                                "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination",
                                str(folder / "artifacts")], stdout=log, stderr=log, start_new_session=True,
                               env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
    deadline = time.monotonic() + 240
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return Server("mlflow server", process, port)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGTERM)
                sys.exit(f"mlflow server did not start: {(folder / 'mlflow.log').read_text()[-2000:]}")
            time.sleep(0.2)


def settle(server, traces):
    """Sketches are made when nothing was stored for a while: until a search for nothing takes no longer than before."""
    last = 1e9
    for _ in range(120):
        time.sleep(2)
        took, _, _ = measure(server, "trace.text ILIKE '%zanzibar%'", None)
        if took > 0.9 * last:
            return
        last = took
    print(f"(not settled after loading {traces:,})")


def run(args, folder, servers):
    servers.append(start_ours(args.binary, folder))
    servers.append(start_mlflow(folder))
    for server in servers:
        print(f"{server.name}: {args.both:,} traces loaded in {server.load(0, args.both):.0f} s", flush=True)
    settle(servers[0], args.both)
    compare(servers, args.both)
    servers.pop().end()
    if args.traces > args.both:
        took = servers[0].load(args.both, args.traces)
        print(f"\ntracejudge: {args.traces:,} traces, the rest loaded in {took:.0f} s", flush=True)
        settle(servers[0], args.traces)
        compare(servers, args.traces)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--both", type=int, default=5_000)
    parser.add_argument("--binary", default=str(ROOT / "build-release/tracejudge"))
    args = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores; {time.strftime('%Y-%m-%d')}; load {os.getloadavg()[0]:.0f}")
    with tempfile.TemporaryDirectory(prefix="tj-search-") as name:
        servers = []
        try:
            run(args, pathlib.Path(name), servers)
        finally:
            for server in servers:
                server.end()


if __name__ == "__main__":
    main()
