#!/usr/bin/env python3
"""ingest - durable spans per second over OTLP, against `mlflow server`, in one run.

SPDX-License-Identifier: Apache-2.0

    bench/ingest.py [--seconds 10] [--clients 64] [--mlflow PATH_TO_ITS_BIN]

Builds in release mode, starts `tracejudge serve` on a new SQLite store (durable: each acknowledgement
waits for its fsync) and, when a mlflow binary is given or .interop has one, a real `mlflow server` on
a new SQLite database; the same load generator (bench/load_ingest.c) posts to the one, then to the other.
Each row is one request size.  Prints a Markdown table and where it ran.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-release"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(url, process, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"no answer from {url}")


def rss_mb(pid):
    """Of the process and its children, now."""
    total = 0
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    for p in [pid, *children]:
        try:
            status = pathlib.Path(f"/proc/{p}/status").read_text()
        except OSError:
            continue
        found = re.search(r"VmRSS:\s+(\d+)", status)
        total += int(found.group(1)) if found else 0
    return total / 1024


def cpu_s(pid):
    total = 0
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    for p in [pid, *children]:
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def start_ours(folder):
    process = subprocess.Popen([BUILD / "tracejudge", "serve", "--port", "0", "--store", str(folder / "ours.db")],
                               stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    port = int(line.strip().rsplit(":", 1)[1])
    return process, port


def start_mlflow(binary, folder):
    port = free_port()
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = open(folder / "mlflow.log", "w")
    process = subprocess.Popen([binary, "server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri",
                                f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")],
                               stdout=log, stderr=log, env=env, start_new_session=True)
    wait_for(f"http://127.0.0.1:{port}/health", process)
    return process, port


def load(port, clients, spans, seconds):
    done = subprocess.run([BUILD / "bench" / "load_ingest", "127.0.0.1", str(port), str(clients), str(spans),
                           str(seconds)], capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"load_ingest: {done.stderr}")
    return json.loads(done.stdout)


def row(name, pid, port, clients, spans, seconds):
    before = cpu_s(pid)
    r = load(port, clients, spans, seconds)
    cpu = cpu_s(pid) - before
    print(f"| {name} | {clients} | {spans} | {r['spans_per_s']:,} | {r['mb_per_s']} | {r['p50_ms']} | {r['p99_ms']} | "
          f"{r['refused']} | {cpu / r['seconds']:.2f} | {r['generator_cpu_s'] / r['seconds']:.2f} | {rss_mb(pid):.0f} |",
          flush=True)
    return r["spans_per_s"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--mlflow", default=str(ROOT / ".interop/mlflow/bin/mlflow"))
    args = parser.parse_args()
    sizes = [5, 25, 100, 500, 1000]
    print(f"{platform.platform()}, {os.cpu_count()} cores; {time.strftime('%Y-%m-%d')}; the generator runs on the same cores\n")
    print("| server | clients | spans a request | spans/s | MB/s | p50 ms | p99 ms | refused | its CPUs | generator's CPUs | RSS MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="tj-ingest-") as name:
        folder = pathlib.Path(name)
        process, port = start_ours(folder)
        ours = {n: row("tracejudge", process.pid, port, args.clients, n, args.seconds) for n in sizes}
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        if not os.path.exists(args.mlflow):
            print("\nno mlflow here: nothing to compare with")
            return
        process, port = start_mlflow(args.mlflow, folder)
        theirs = {n: row("mlflow server", process.pid, port, args.clients, n, args.seconds) for n in (5, 100)}
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
        for n, speed in theirs.items():
            if speed:
                print(f"\n{n} spans a request: {ours[n] / speed:.0f} times mlflow's")


if __name__ == "__main__":
    main()
