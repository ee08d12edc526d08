"""server - a `tracejudge serve` of a test's own.

SPDX-License-Identifier: Apache-2.0

    with Server(case, "--body-max", "1MiB") as server:
        status, headers, body = server.request("GET", "/health")

It listens on an ephemeral port of the loopback and is ended (or killed) with the block.
"""
import http.client
import json
import re
import signal
import subprocess

import harness


class Server:
    def __init__(self, case, *args, env=None):
        self.log = open(case.folder / "serve.log", "ab")
        self.process = subprocess.Popen([harness.BINARY, "serve", "--port", "0", *args], stdout=subprocess.PIPE,
                                        stderr=self.log, env=case.environment(env))
        line = self.process.stdout.readline().decode()
        if "http://" not in line:
            self.kill()
            raise AssertionError(f"serve did not start: {line!r} {(case.folder / 'serve.log').read_text()[-2000:]}")
        self.url, *grpc = re.findall(r'http://[^\s",]+', line)
        self.grpc_url = grpc[0] if grpc else None
        self.port = int(self.url.rsplit(":", 1)[1])

    def request(self, method, path, body=None, headers=None):
        """Status, headers and body; a dict is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.DEADLINE_S)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, headers=None):
        status, _, content = self.request(method, path, body, headers)
        assert status == 200, f"{method} {path}: {status} {content[:500]!r}"
        return json.loads(content)

    def end(self, how=signal.SIGTERM):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=harness.DEADLINE_S)
        self.process.stdout.close()
        self.log.close()
        return code

    def kill(self):
        self.end(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.kill()
        else:
            assert self.end() == 0, "serve did not end well"
