"""test_otel_collector - the OpenTelemetry Collector stands between an SDK and this server.

SPDX-License-Identifier: Apache-2.0

The Collector is built from its Go modules (otel-collector/), once; without a go that is new enough the
tests are skipped and say so.
"""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import harness
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from otel_check import check_complete
from server import Server
from servers import clean_environment, free_port
from test_otel_python import provider_for, send_everything

SOURCE = pathlib.Path(__file__).parent / "otel-collector"
BUILD_S, READY_S = 900, 60

CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
processors:
  batch:
    timeout: 100ms
exporters:
  otlp_http:
    endpoint: {url}
    encoding: {encoding}
    compression: {compression}
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [otlp_http]
"""


def needed_go():
    return tuple(int(n) for n in re.search(r"^go (\d+)\.(\d+)", (SOURCE / "go.mod").read_text(), re.M).groups())


def collector():
    """The path of the built Collector."""
    go = shutil.which("go")
    if not go:
        raise harness.Skip("go is not installed")
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, check=True, cwd=SOURCE.parent).stdout.decode()
    version = tuple(int(n) for n in re.match(r"go(\d+)\.(\d+)", said).groups())
    if version < needed_go():
        raise harness.Skip(f"go {version[0]}.{version[1]} is older than {needed_go()[0]}.{needed_go()[1]}")
    folder = pathlib.Path(os.environ["INTEROP_DIR"]) / "otel-collector"
    folder.mkdir(parents=True, exist_ok=True)
    binary, stamp = folder / "otelcol", folder / "built.sha256"
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))).hexdigest()
    if not (binary.exists() and stamp.exists() and stamp.read_text() == digest):
        done = subprocess.run([go, "build", "-mod=readonly", "-buildvcs=false", "-o", str(binary), "."], cwd=SOURCE, capture_output=True,
                              timeout=BUILD_S, check=False, env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"})
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        stamp.write_text(digest)
    return binary


class Running:
    """The Collector with a configuration, listening."""

    def __init__(self, case, url, encoding, compression):
        self.port = free_port()
        config = case.write("collector.yaml", CONFIG.format(port=self.port, url=url, encoding=encoding, compression=compression))
        self.log = open(case.folder / "collector.log", "wb")
        self.process = subprocess.Popen([str(collector()), "--config", str(config)], env=clean_environment(HOME=str(case.folder)),
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.path = case.folder / "collector.log"

    def __enter__(self):
        deadline = time.monotonic() + READY_S
        while True:
            assert self.process.poll() is None, self.path.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/traces", timeout=5)
            except urllib.error.HTTPError:
                return self  # it answers: POST only
            except OSError:
                pass
            assert time.monotonic() < deadline, self.path.read_text()[-2000:]
            time.sleep(0.05)

    def end(self):
        """It sends what it holds before it ends."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.log.close()
        assert code == 0, self.path.read_text()[-2000:]

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        if kind:
            sys.stdout.write("".join(f"# {line}\n" for line in self.path.read_text().splitlines()[-20:]))


def check(case, encoding, compression):
    collector()
    with Server(case) as server, Running(case, server.url, encoding, compression) as running:
        trace_id = send_everything(provider_for(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{running.port}/v1/traces")))
        running.end()
        check_complete(case, server, trace_id, language="python")


def test_protobuf_gzip(case):
    check(case, "proto", "gzip")


def test_protobuf_zstd(case):
    check(case, "proto", "zstd")


def test_json_gzip(case):
    check(case, "json", "gzip")


def test_protobuf_none(case):
    check(case, "proto", "none")


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
