"""test_otel_node - OpenTelemetry's SDK for Node sends traces; all of it must be there.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shutil
import subprocess
import sys

import harness
from otel_check import check_complete
from server import Server
from servers import clean_environment

SEND = pathlib.Path(__file__).parent / "otel-node" / "send.mjs"


def check(case, exporter, compression):
    if not shutil.which("node"):
        raise harness.Skip("node is not installed")
    with Server(case) as server:
        env = clean_environment(NODE_PACKAGES=os.path.join(os.environ["INTEROP_DIR"], "otel-node"))
        done = subprocess.run(["node", str(SEND), exporter, compression, f"{server.url}/v1/traces"], env=env, capture_output=True,
                              timeout=harness.DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr.decode()
        check_complete(case, server, done.stdout.decode().strip(), language="node")


def test_protobuf(case):
    check(case, "proto", "none")


def test_protobuf_gzip(case):
    check(case, "proto", "gzip")


def test_json(case):
    check(case, "http", "none")


def test_json_gzip(case):
    check(case, "http", "gzip")


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
