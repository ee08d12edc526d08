#!/usr/bin/env python3
"""run - installs the real clients, runs every interop script, adds up.

SPDX-License-Identifier: Apache-2.0

    TRACEJUDGE_BINARY=build/tracejudge tests/interop/run.py [SCRIPT...]

What is installed lies in .interop/ (or $INTEROP_DIR), is pinned by the requirements-*.txt and the
package-lock.json beside this file, and is used again as long as these do not change.  Each script starts
its own servers and prints TAP; the last line here is "N passed, N failed, N skipped".
"""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = pathlib.Path(os.environ.get("INTEROP_DIR", ROOT / ".interop"))
SCRIPT_S = 1800

# (script, the environment it runs in)
SCRIPTS = [
    ("test_mlflow_client", "mlflow"),
    ("test_otel_python", "otel"),
    ("test_otel_node", "otel"),
    ("test_otel_collector", "otel"),
    ("test_mlflow_old_client", "mlflow-3.5"),
    ("test_mlflow_store", "mlflow"),
    ("test_mlflow_store", "mlflow-3.5"),
    ("test_mlflow_store_filters", "mlflow"),
    ("test_mlflow_store_filters", "mlflow-3.5"),
    ("test_mlflow_filters", "mlflow"),
]
RUNNING = set()  # process groups of scripts
TEST_LINE = re.compile(r"^(ok|not ok) \d+ (.*?)(?: # SKIP (.*))?$")


def say(text):
    print(text, flush=True)


def quiet(*command, **more):
    """Runs it; its output only when it fails."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          check=False, **more)
    if done.returncode:
        sys.stdout.write(done.stdout.decode(errors="replace")[-4000:])
        raise SystemExit(f"interop: {' '.join(map(str, command[:4]))} ... ended with {done.returncode}")
    return done.stdout.decode()


def wanted_lines(text):
    return sorted(line.strip().lower() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def install_python(name):
    """A venv with exactly what requirements-NAME.txt says."""
    requirements = HERE / f"requirements-{name}.txt"
    folder = HOME / name
    python = folder / "bin" / "python"
    stamp = folder / "installed.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and python.exists():
        return python
    if python.exists():  # made by hand, or half made
        found = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, check=False)
        if found.returncode == 0 and wanted_lines(found.stdout.decode()) == wanted_lines(requirements.read_text()):
            stamp.write_text(digest)
            return python
    say(f"installing {name} into {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    quiet(sys.executable, "-m", "venv", folder)
    quiet(python, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements)
    stamp.write_text(digest)
    return python


def install_node():
    """node_modules as package-lock.json says."""
    folder = HOME / "otel-node"
    stamp = folder / "installed.sha256"
    digest = hashlib.sha256((HERE / "otel-node" / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    say(f"installing otel-node into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "otel-node" / file, folder / file)
    quiet("npm", "ci", "--no-audit", "--no-fund", cwd=folder)
    stamp.write_text(digest)


def run_script(script, python, environment):
    """Its output, counts of passed, failed, skipped, and its seconds."""
    began = time.monotonic()
    lines, counts, planned = [], {"passed": 0, "failed": 0, "skipped": 0}, None
    with subprocess.Popen([str(python), str(HERE / f"{script}.py")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, env=environment, start_new_session=True, text=True, errors="replace") as process:
        RUNNING.add(process.pid)
        watch = threading.Timer(SCRIPT_S, os.killpg, (process.pid, signal.SIGTERM))
        watch.start()
        for line in process.stdout:
            found = TEST_LINE.match(line.rstrip("\n"))
            if line.startswith("1.."):
                planned = int(line[3:])
            elif found:
                counts["skipped" if found[3] else "passed" if found[1] == "ok" else "failed"] += 1
            if not re.match(r"^(1\.\.|# \d+(\.\d+)? s$)", line):
                lines.append(line)
        watch.cancel()
    RUNNING.discard(process.pid)
    if planned is None or sum(counts.values()) != planned or (process.returncode and not counts["failed"]):
        lines.append(f"not ok {script} ended with {process.returncode} after {sum(counts.values())} of {planned} tests\n")
        counts["failed"] += 1
    return "".join(lines), counts, time.monotonic() - began


def end_all(*_):
    for group in list(RUNNING):
        os.killpg(group, signal.SIGTERM)
    os._exit(1)


def main():
    if "TRACEJUDGE_BINARY" not in os.environ:
        os.environ["TRACEJUDGE_BINARY"] = str(ROOT / "build" / "tracejudge")
    signal.signal(signal.SIGTERM, end_all)
    HOME.mkdir(parents=True, exist_ok=True)
    chosen = [(script, name) for script, name in SCRIPTS
              if (not sys.argv[1:] or script in sys.argv[1:]) and (HERE / f"{script}.py").exists()]
    pythons = {name: install_python(name) for name in dict.fromkeys(name for _, name in chosen)}
    if any(script == "test_otel_node" for script, _ in chosen):
        install_node()
    environment = {**os.environ, "TRACEJUDGE_SOURCE": str(ROOT), "INTEROP_DIR": str(HOME),
                   "PYTHONPATH": os.pathsep.join((str(ROOT / "tests" / "e2e"), str(HERE))), "PYTHONDONTWRITEBYTECODE": "1"}
    total = {"passed": 0, "failed": 0, "skipped": 0}
    # The longest one waits for servers most of the time: it has a lane of its own.
    with concurrent.futures.ThreadPoolExecutor(2) as lanes:
        jobs = {lanes.submit(run_script, script, pythons[name], environment): f"{script} ({name})" for script, name in chosen}
        for job in concurrent.futures.as_completed(jobs):
            output, counts, seconds = job.result()
            say(f"-- {jobs[job]}: {seconds:.0f} s\n{output}".rstrip("\n"))
            for kind, count in counts.items():
                total[kind] += count
    say(", ".join(f"{count} {kind}" for kind, count in total.items()))
    sys.exit(1 if total["failed"] or not total["passed"] else 0)


if __name__ == "__main__":
    main()
