"""servers - starts and ends the servers that the interop scripts talk to.

SPDX-License-Identifier: Apache-2.0

Each server gets its own folder, an ephemeral loopback port and a process group of its own, so that it
ends with its children.  Readiness is polled, with a deadline; a server that died says so at once, with
the end of its log.
"""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

READY_S = 240  # a real `mlflow server` needs 10 s on an idle machine, 60 s on a busy one
STOP_S = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def clean_environment(**extra):
    """The user's own MLFLOW_*, OTEL_* and TRACEJUDGE_* settings must not decide a test."""
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith(("MLFLOW_", "OTEL_", "TRACEJUDGE_")) or k == "TRACEJUDGE_BINARY"}
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        keep.pop(name, None)
    return {**keep, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "NO_COLOR": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True", "GIT_PYTHON_REFRESH": "quiet", **extra}


RUNNING = set()


def end_all(*_):
    """A script that is told to end takes its servers with it; they are in sessions of their own."""
    for group in list(RUNNING):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os._exit(1)


if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, end_all)


class Server:
    def __init__(self, kind, command, port, folder, env, probe):
        self.kind, self.uri, self.folder = kind, f"http://127.0.0.1:{port}", pathlib.Path(folder)
        self.log = self.folder / f"{kind}.log"
        self.probe = probe
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        RUNNING.add(self.process.pid)

    def tail(self, lines=25):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_ready(self):
        deadline = time.monotonic() + READY_S
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} ended with {self.process.returncode}:\n{self.tail()}")
            try:
                with urllib.request.urlopen(self.uri + self.probe, timeout=5) as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, OSError):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} is not ready after {READY_S} s:\n{self.tail()}")
            time.sleep(0.1)

    def stop(self):
        """SIGTERM to it and its children, SIGKILL to what is left; returns its exit code."""
        group = self.process.pid
        for sign, seconds in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
            try:
                os.killpg(group, sign)
            except ProcessLookupError:
                break
            try:
                self.process.wait(seconds)
                if sign == signal.SIGKILL:
                    break
            except subprocess.TimeoutExpired:
                pass
        RUNNING.discard(group)
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def start_mlflow(python, parent):
    """A real `mlflow server` on a new SQLite file; python is the one of its venv."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-", dir=parent))
    port = free_port()
    command = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
               "--artifacts-destination", str(folder / "artifacts")]
    env = clean_environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", PYTHONHASHSEED="0",
                            PATH=f"{pathlib.Path(python).parent}:{os.environ['PATH']}")
    return Server("mlflow", command, port, folder, env, "/health")


def start_tracejudge(binary, parent, *more):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tracejudge-", dir=parent))
    port = free_port()
    command = [binary, "serve", "--port", str(port), "--store", str(folder / "traces.db"), *more]
    return Server("tracejudge", command, port, folder, clean_environment(HOME=str(folder)), "/readyz")
