"""harness - runs the test_* functions of a module against the real binary, and prints TAP.

SPDX-License-Identifier: Apache-2.0

A test gets a Case: its own folder, its own store, and `run`, which calls the binary without a
shell and without the user's environment.  Nothing here sleeps; every wait has a deadline.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

BINARY = os.environ["TRACEJUDGE_BINARY"]
SOURCE = pathlib.Path(os.environ["TRACEJUDGE_SOURCE"])
SHARED = pathlib.Path(os.environ.get("TRACEJUDGE_SHARED", "/nonexistent"))
DEADLINE_S = 120


class Skip(Exception):
    """Raised with a reason by a test that cannot run here."""


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()

    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Case:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.store = str(self.folder / "traces.db")

    def environment(self, extra=None):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG") or "SAN_OPTIONS" in k}
        return {**keep, "HOME": str(self.folder), "TRACEJUDGE_STORE": self.store, **(extra or {})}

    def run(self, *args, stdin=None, env=None):
        done = subprocess.run([BINARY, *map(str, args)], input=stdin, capture_output=True,
                              env=self.environment(env), timeout=DEADLINE_S, check=False)
        return Result(done)

    def ok(self, *args, **more):
        result = self.run(*args, **more)
        assert result.code == 0, f"{args}: exit {result.code}\n{result.out}{result.err}"
        return result

    def fails(self, code, part, *args, **more):
        """Exit `code`, nothing on stdout, one line on stderr that contains `part`."""
        result = self.run(*args, **more)
        assert result.code == code, f"{args}: exit {result.code}, not {code}\n{result.out}{result.err}"
        assert part in result.err, f"{args}: {result.err!r} lacks {part!r}"
        assert len(result.err.splitlines()) == 1, f"{args}: more than one line: {result.err!r}"
        return result

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def slow_data_processor(trace_id="4bf92f3577b34da6a3ce929d0e0e4736"):
    """The reference scenario as OTLP/JSON: a slow fetch and three redundant calls."""
    start = 1777708800 * 10**9
    second = 10**9

    def span(number, name, begin, end, parent=None, kind="TOOL", inputs=None, outputs=None):
        attributes = [{"key": "mlflow.spanType", "value": {"stringValue": kind}}]
        for key, value in (("mlflow.spanInputs", inputs), ("mlflow.spanOutputs", outputs)):
            if value is not None:
                attributes.append({"key": key, "value": {"stringValue": json.dumps(value)}})
        return {"traceId": trace_id, "spanId": f"{number:016x}", "name": name,
                **({"parentSpanId": f"{parent:016x}"} if parent else {}),
                "startTimeUnixNano": str(int(start + begin * second)),
                "endTimeUnixNano": str(int(start + end * second)),
                "attributes": attributes, "status": {"code": 1}}

    spans = [span(1, "slow_data_processor", 0, 4.0, kind="CHAIN", inputs={"query": "users of last week"},
                  outputs={"rows": 1000}),
             span(2, "fetch_data", 0, 2.5, parent=1, inputs={"table": "users"}, outputs={"rows": 1000})]
    spans += [span(3 + i, f"redundant_api_call_{i}", 2.5 + i / 2, 3.0 + i / 2, parent=1,
                   inputs={"endpoint": "/users"}, outputs={"status": "ok"}) for i in range(3)]
    return {"resourceSpans": [{"resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "demo"}}]}, "scopeSpans": [{"spans": spans}]}]}


def main(module):
    tests = [(name, value) for name, value in sorted(vars(module).items())
             if name.startswith("test_") and callable(value)]
    wanted = sys.argv[1:]
    tests = [t for t in tests if not wanted or t[0] in wanted]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        folder = tempfile.mkdtemp(prefix="tj-e2e-")
        started = time.monotonic()
        try:
            test(Case(folder))
            print(f"ok {number} {name}\n# {time.monotonic() - started:.1f} s", flush=True)
        except Skip as why:
            print(f"ok {number} {name} # SKIP {why}", flush=True)
        except Exception:  # a failed assertion, or a crash of the test: both fail
            failed += 1
            print(f"not ok {number} {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)
