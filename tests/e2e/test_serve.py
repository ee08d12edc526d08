"""test_serve - the server's sockets, limits, doors and its end, with clients good and bad.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import contextlib
import gzip
import http.client
import json
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
import zlib

import harness
from server import Server

SPANS = json.dumps(harness.slow_data_processor()).encode()
JSON = {"Content-Type": "application/json"}
MIB = 1 << 20
SANITIZED = "SAN_OPTIONS" in " ".join(os.environ)  # memory limits mean nothing there


@contextlib.contextmanager
def raw(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=harness.DEADLINE_S) as s:
        yield s


class Answers:
    """One buffer for the answers of one connection: HTTPResponse would make its own for each."""

    def __init__(self, s):
        self.file = s.makefile("rb")
        self.file.close = lambda: None

    def makefile(self, mode):
        return self.file


def read_answer(s):
    """Status, headers (lower case) and body of one answer; None when the connection just ends."""
    try:
        answer = http.client.HTTPResponse(s)
        answer.begin()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    except (ConnectionError, http.client.HTTPException):
        return None


def exchange(server, head, body=b""):
    with raw(server) as s:
        s.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return read_answer(s)


def rss_mib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def until(condition, what):
    deadline = time.monotonic() + harness.DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)  # between two looks, not instead of one


def text(server, path, **headers):
    status, _, body = server.request("GET", path, headers=headers)
    return status, body.decode()


# -- what there is -----------------------------------------------------------


def test_plain_routes(case):
    with Server(case) as server:
        assert text(server, "/health") == (200, "OK")
        assert text(server, "/healthz") == (200, "OK")
        assert text(server, "/readyz") == (200, "OK")
        status, version = text(server, "/version")
        assert status == 200 and re.fullmatch(r"3\.\d+\.\d+\+tracejudge\.\d+\.\d+\.\d+", version), version
        assert server.json("GET", "/api/3.0/mlflow/server-info")["store_type"] == "SqlStore"
        status, page = text(server, "/")
        assert status == 200 and "OTEL_EXPORTER_OTLP" in page
        status, headers, body = server.request("GET", "/nothing")
        assert status == 404 and headers["Content-Type"].startswith("text/plain")
        assert server.request("DELETE", "/health")[0] == 405
        status, headers, body = server.request("HEAD", "/health")
        assert status == 200 and headers["Content-Length"] == "2" and body == b""
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "SAMEORIGIN"


@contextlib.contextmanager
def impatient_clients(port, answers):
    """Ask for the metrics from before the server listens, until each was answered or the end."""
    over = threading.Event()

    def ask():
        while not over.is_set():
            with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = read_answer(s)
                if answer:
                    answers.append(answer[0])
                    return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        over.set()
        for t in threads:
            t.join()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def test_first_requests(case):
    """Who asks at once is answered, or nobody is: not while the server is half open."""
    for _ in range(5):
        port, answers = free_port(), []
        with impatient_clients(port, answers):
            with Server(case, "--port", str(port), "--grpc-port", "0"):
                until(lambda: len(answers) == 4, "all are answered")
        assert answers == [200] * 4
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, answers = free_port(), []
        with impatient_clients(port, answers):
            for _ in range(5):
                case.fails(1, "the port is in use", "serve", "--port", port, "--grpc-port", taken.getsockname()[1])
        assert not answers, answers


def test_says_where_it_listens(case):
    with Server(case, "--json") as server:
        assert server.url.startswith("http://127.0.0.1:")
        case.fails(1, "in use", "serve", "--port", server.port)
    case.fails(3, "--port", "serve", "--port", "70000")
    case.fails(3, "--body-max", "serve", "--body-max", "1TiB")
    case.fails(3, "--durability", "serve", "--durability", "none")
    case.fails(3, "--log-level", "serve", "--log-level", "loud")
    case.fails(3, "unsafe-no-auth", "serve", "--port", "0", "--host", "0.0.0.0")
    case.fails(3, "not an MLflow server", "serve", "--port", "0", "--store", "mlflow+http://127.0.0.1:9")
    with Server(case, "--host", "0.0.0.0", "--unsafe-no-auth") as server:
        assert server.request("GET", "/health")[0] == 200


def test_keep_alive_and_chunks(case):
    with Server(case) as server, raw(server) as s:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.sock = s
        for _ in range(50):
            connection.request("POST", "/v1/traces", iter([SPANS[:100], SPANS[100:]]), JSON, encode_chunked=True)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"{}")
        # Several at once on one connection are answered in order.
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /version HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        answers = Answers(s)
        for _ in range(20):
            assert read_answer(answers)[2] == b"OK"
            assert b"tracejudge" in read_answer(answers)[2]


def test_expect_continue(case):
    with Server(case, "--body-max", "1MiB") as server:
        head = (f"POST /v1/traces HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"
                f"Content-Length: %d\nExpect: 100-continue")
        with raw(server) as s:
            s.sendall((head % len(SPANS)).replace("\n", "\r\n").encode() + b"\r\n\r\n")
            assert s.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            s.sendall(SPANS)
            assert read_answer(s)[0] == 200
        # Who asks first is told before the body.
        assert exchange(server, head % (2 * MIB))[0] == 413


# -- bodies ------------------------------------------------------------------


def zstd_raw(content):
    """A frame of raw blocks that does not say its size (RFC 8878)."""
    frame = bytes.fromhex("28b52ffd") + b"\x00\x48"  # a window of 512 KB
    pieces = [content[i:i + 100000] for i in range(0, len(content), 100000)] or [b""]
    for i, piece in enumerate(pieces):
        frame += (len(piece) << 3 | (i == len(pieces) - 1)).to_bytes(3, "little") + piece
    return frame


def zstd_bomb(blocks):
    frame = bytes.fromhex("28b52ffd") + b"\x00\x48"
    for i in range(blocks):
        frame += (100000 << 3 | 1 << 1 | (i == blocks - 1)).to_bytes(3, "little") + b" "
    return frame


def deflate_raw(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def post(server, body, encoding=None, kind="application/json"):
    headers = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
    return server.request("POST", "/v1/traces", body, headers)


def test_encodings(case):
    good = [("gzip", gzip.compress(SPANS)), ("GZIP", gzip.compress(SPANS)), ("x-gzip", gzip.compress(SPANS)),
            ("gzip", gzip.compress(SPANS[:99]) + gzip.compress(SPANS[99:])), ("identity", SPANS),
            ("deflate", zlib.compress(SPANS)), ("deflate", deflate_raw(SPANS)), ("zstd", zstd_raw(SPANS))]
    bad = [("gzip", SPANS), ("gzip", gzip.compress(SPANS)[:-9]), ("gzip", zlib.compress(SPANS)),
           ("deflate", zlib.compress(SPANS)[:-5]), ("zstd", SPANS), ("zstd", zstd_raw(SPANS)[:-5]),
           ("zstd", bytes.fromhex("28b52ffd") + b"\x00\xa0" + b"\x01\x00\x00")]  # a window of 1 GB
    with Server(case) as server:
        for encoding, body in good:
            status, _, answer = post(server, body, encoding)
            assert (status, answer) == (200, b"{}"), (encoding, status, answer)
        for encoding, body in bad:
            status, headers, answer = post(server, body, encoding)
            assert status == 400 and json.loads(answer)["code"] == 3, (encoding, status, answer)
        status, headers, answer = post(server, SPANS, "br")
        assert status == 415 and "gzip" in headers["Accept-Encoding"]
        status, headers, answer = post(server, SPANS, "br", "application/x-protobuf")
        assert status == 415 and headers["Content-Type"] == "application/x-protobuf" and answer[0] == 8
        status, _, answer = server.request("POST", "/api/2.0/mlflow/experiments/search", SPANS,
                                           {**JSON, "Content-Encoding": "br"})
        assert status == 415 and json.loads(answer)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_large_answers_are_compressed(case):
    with Server(case) as server:
        for i in range(40):
            server.json("POST", "/api/2.0/mlflow/experiments/create", {"name": f"experiment {i} " + "x" * 100})
        path = "/api/2.0/mlflow/experiments/search?max_results=100"
        _, plain_headers, plain = server.request("GET", path)
        for accept, zipped in (("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False)):
            _, headers, body = server.request("GET", path, headers={"Accept-Encoding": accept})
            assert (headers.get("Content-Encoding") == "gzip") == zipped, accept
            assert (gzip.decompress(body) if zipped else body) == plain
            assert not zipped or len(body) < len(plain) / 4
        assert "Content-Encoding" not in plain_headers and len(plain) > 4096
        _, headers, _ = server.request("GET", "/health", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in headers


def test_too_large(case):
    big = b'{"resourceSpans": []' + b" " * (2 * MIB) + b"}"
    with Server(case, "--body-max", "1MiB") as server:
        chunks = [big[i:i + 65536] for i in range(0, len(big), 65536)]
        fits = b'{"resourceSpans": []' + b" " * (MIB - 21) + b"}"
        assert len(fits) == MIB and post(server, fits)[0] == 200
        assert post(server, fits + b" ")[0] == 413
        assert post(server, big)[0] == 413
        assert post(server, iter(chunks))[0] == 413
        for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", deflate_raw),
                               ("zstd", zstd_raw)):
            status, _, answer = post(server, pack(big), encoding)
            assert status == 413 and "--body-max" in json.loads(answer)["message"], (encoding, status, answer)
            if encoding != "zstd":
                assert post(server, pack(fits), encoding)[0] == 200, encoding
        # One byte too many in a decompressed body that otherwise fits.
        assert post(server, gzip.compress(fits + b" "), "gzip")[0] == 413
        # More than anybody sends: it is not waited for.
        assert exchange(server, "POST /v1/traces HTTP/1.1\nHost: localhost\nContent-Length: 99999999999")[0] == 413
        assert server.request("GET", "/health")[0] == 200


def test_bombs(case):
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(zeros.compress(bytes(MIB)) for _ in range(512)) + zeros.flush()  # 512 MiB in 0.5
    with Server(case) as server:
        before = rss_mib(server)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            jobs = [pool.submit(post, server, *what) for what in [(bomb, "gzip"), (zstd_bomb(6000), "zstd")] * 12]
            statuses = {job.result()[0] for job in jobs}
        assert statuses <= {413, 429} and 413 in statuses, statuses
        assert server.request("GET", "/health")[0] == 200
        peak = peak_mib(server)
        print(f"# bombs: {before:.0f} MiB before, peak {peak:.0f} MiB")
        assert SANITIZED or peak < 800
        assert SANITIZED or settled_rss(server, 40) <= 40


def test_large_json(case):
    """What is parsed takes several times its text: not of all that are there at once."""
    many = b'{"x": [' + b"[]," * (7 * MIB) + b"[]]}"
    with Server(case) as server, concurrent.futures.ThreadPoolExecutor(16) as pool:
        for path in ("/v1/traces", "/api/3.0/mlflow/traces"):
            jobs = [pool.submit(server.request, "POST", path, many, JSON) for _ in range(16)]
            statuses = {job.result()[0] for job in jobs}
            assert statuses <= {200, 400}, (path, statuses)
        peak = peak_mib(server)
        print(f"# large JSON: peak {peak:.0f} MiB")
        assert SANITIZED or peak < 1000


def peak_mib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


def settled_rss(server, goal):
    """Resident memory when it has come down to the goal, or after a while."""
    deadline = time.monotonic() + 20
    while rss_mib(server) > goal and time.monotonic() < deadline:
        time.sleep(0.1)
    return rss_mib(server)


# -- requests that are none --------------------------------------------------


def test_ambiguous_and_odd_requests(case):
    with Server(case) as server:
        post_line = "POST /v1/traces HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"
        for head, wanted in [
                (post_line + "Content-Length: 2\nTransfer-Encoding: chunked", 400),
                (post_line + "Content-Length: 2\nContent-Length: 3", 400),
                (post_line + "Transfer-Encoding: gzip, chunked", 400),
                (post_line + "Content-Length: -1", 400),
                (post_line + "Content-Length: 99999999999999999999999", 413),
                ("GET / HTTP/1.1\nHost: localhost\nHost: evil", 400),
                ("GET / HTTP/1.1", 400),
                ("GET nowhere HTTP/1.1\nHost: localhost", 400),
                ("GET http://localhost/health HTTP/1.1\nHost: localhost", 200),
                ("OPTIONS * HTTP/1.1\nHost: localhost", 404),
                ("BREW /health HTTP/1.1\nHost: localhost", 405),
                ("GET /health?%zz=%&=&&a HTTP/1.1\nHost: localhost", 200),
                ("GET /health?" + "a&" * 300 + " HTTP/1.1\nHost: localhost", 400),
                ("GET /health HTTP/1.1\nHost: localhost\n" + "\n".join(f"X-{i}: y" for i in range(120)), 431),
                ("GET /health HTTP/1.1\nHost: localhost\nX: " + "y" * 40000, 431),
                ("GET /" + "y" * 40000 + " HTTP/1.1\nHost: localhost", 414)]:
            answer = exchange(server, head)
            assert answer and answer[0] == wanted, (head[:90], answer, wanted)
        for rubbish in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n" * 9, b"\0" * 100, b"GET", b""):
            with raw(server) as s:
                s.sendall(rubbish)
                s.shutdown(socket.SHUT_WR)
                read_answer(s)
        assert server.request("GET", "/health")[0] == 200


def test_paths_are_no_files(case):
    with Server(case) as server:
        for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/..%2f..%2fetc%2fpasswd",
                     "/api/2.0/mlflow-artifacts/artifacts/../../../../etc/passwd",
                     "/api/2.0/mlflow-artifacts/artifacts/%2e%2e/%2e%2e/etc/passwd",
                     "/api/2.0/mlflow-artifacts/artifacts//etc/passwd"):
            status, _, body = server.request("GET", path)
            assert 400 <= status < 500 and b"root:" not in body, path


# -- slow ones ---------------------------------------------------------------


def closed_within(s, seconds, drip=b""):
    """Sends a byte every now and then until the other side ends the connection."""
    end = time.monotonic() + seconds
    s.settimeout(0.2)
    while time.monotonic() < end:
        try:
            if drip:
                s.sendall(drip)
            if s.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_slow_clients(case):
    starts = [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET /heal",
              b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
              b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"]
    drips = [b"", b"x", b"x", b"x", b"1\r\nx\r\n"]
    with Server(case, "--request-timeout", "2", "--idle-timeout", "3") as server:
        with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(40) as pool:
            jobs = []
            for start, drip in list(zip(starts, drips)) * 6:
                s = stack.enter_context(raw(server))
                s.sendall(start)
                jobs.append((start, pool.submit(closed_within, s, 30, drip)))
            while not all(job.done() for _, job in jobs):
                begun = time.monotonic()
                assert server.request("GET", "/health")[0] == 200
                assert time.monotonic() - begun < 5 or SANITIZED
            assert all(job.result() for _, job in jobs), [start for start, job in jobs if not job.result()]
        # One that does not read its answer is let go as well.
        with raw(server) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000)
            until(lambda: '"/metrics"' in text(server, "/metrics")[1], "metrics served")
        until(lambda: "tracejudge_http_connections 1\n" in text(server, "/metrics")[1], "all let go")


def test_half_closed(case):
    with Server(case) as server:
        with raw(server) as s:  # said all, waits for the answer
            s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (len(SPANS), SPANS))
            s.shutdown(socket.SHUT_WR)
            assert read_answer(s)[0] == 200
            assert s.recv(1) == b"", "and is let go"
        for begun in (b"GET /hea", b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"):
            with raw(server) as s:  # will never say the rest
                s.sendall(begun)
                s.shutdown(socket.SHUT_WR)
                started = time.monotonic()
                assert read_answer(s) is None
                assert time.monotonic() - started < 5 or SANITIZED
        sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
        for s in sockets:  # gone before the answer
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        assert server.request("GET", "/health")[0] == 200
        until(lambda: "tracejudge_http_connections 1\n" in text(server, "/metrics")[1], "all let go")


def test_many_idle_connections(case):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        raise harness.Skip("2,000 sockets are more than this machine allows")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with Server(case) as server, contextlib.ExitStack() as stack:
        assert post(server, SPANS)[0] == 200
        before = rss_mib(server)
        for i in range(2000):
            s = stack.enter_context(raw(server))
            if i % 2:
                s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert read_answer(s)[2] == b"OK"
        begun = time.monotonic()
        for _ in range(50):
            assert post(server, SPANS)[0] == 200
        took = time.monotonic() - begun
        with_idle = rss_mib(server)
        print(f"# {before:.1f} MiB, with 2,000 idle connections {with_idle:.1f} MiB; 50 posts in {took:.2f} s")
        assert SANITIZED or with_idle - before < 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limited(case, files, *args):
    """A server that may have so many files."""
    wrapper = case.write("limited", f'#!/bin/sh\nulimit -n {files}\nexec "{harness.BINARY}" "$@"\n')
    wrapper.chmod(0o755)
    binary, harness.BINARY = harness.BINARY, str(wrapper)
    try:
        return Server(case, *args)
    finally:
        harness.BINARY = binary


def test_others_find_a_place(case):
    """When there are as many connections as files allow, those that wait or dawdle longest are let go."""
    with limited(case, 300) as server:
        for start in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
                      b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"):
            with contextlib.ExitStack() as stack:
                sockets = [stack.enter_context(raw(server)) for _ in range(250)]
                for s in sockets:
                    s.sendall(start)
                begun = time.monotonic()
                for _ in range(20):
                    assert post(server, SPANS)[0] == 200
                took = time.monotonic() - begun
                print(f"# 20 posts beside 250 connections of at most 150: {took:.1f} s")
                assert took < 18 or SANITIZED
                assert closed_within(sockets[0], 30)


def test_files_for_all(case):
    """Connections of HTTP and gRPC together leave files for the store."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        raise harness.Skip("1,200 sockets are more than this machine allows")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with limited(case, 1000, "--grpc-port", "0") as server, contextlib.ExitStack() as stack:
        grpc = int(server.grpc_url.rsplit(":", 1)[1])
        for _ in range(250):
            stack.enter_context(socket.create_connection(("127.0.0.1", grpc)))
        sockets = [stack.enter_context(raw(server)) for _ in range(900)]
        for s in sockets[:500]:
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers = [read_answer(s) for s in sockets[:500]]
        assert all(a and a[0] == 200 for a in answers), {a and a[0] for a in answers}
        files = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        print(f"# {files} files of 1000 are open")
        assert files <= 1000 - 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_idle_memory(case):
    with Server(case) as server:
        fresh = rss_mib(server)
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            for done in [pool.submit(post, server, SPANS) for _ in range(400)]:
                assert done.result()[0] == 200
        after = settled_rss(server, 20)
        print(f"# {fresh:.1f} MiB fresh, {after:.1f} MiB some seconds after 400 posts of 32 clients")
        assert SANITIZED or fresh <= 16
        assert SANITIZED or after <= 25


# -- the guard ---------------------------------------------------------------


def test_hosts(case):
    blocked = "Invalid Host header - possible DNS rebinding attack detected"
    with Server(case, "--allowed-hosts", "traces.example, *.inside.example,exact:7000") as server:
        for host, wanted in [("localhost", 200), (f"localhost:{server.port}", 200), ("LOCALHOST", 200),
                             ("127.0.0.1:1", 200), ("[::1]", 200), ("[::1]:5000", 200), ("traces.example", 200),
                             ("traces.example:80", 200), ("a.inside.example", 200), ("exact:7000", 200),
                             ("exact:7001", 403), ("evil.example", 403), ("inside.example", 403),
                             ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 403),
                             ("192.168.1.7", 403), ("evil.example:5000", 403), ("localhost@evil.example", 403)]:
            status, body = text(server, "/metrics", Host=host)
            assert status == wanted, (host, status)
            assert status == 200 or body == blocked
            assert server.request("POST", "/v1/traces", SPANS, {**JSON, "Host": host})[0] == wanted, host
        for probe in ("/health", "/version"):
            assert text(server, probe, Host="10.0.0.7")[0] == 200
    with Server(case, "--host", "0.0.0.0", "--unsafe-no-auth") as server:
        assert text(server, "/metrics", Host="192.168.1.7:5000")[0] == 200
        assert text(server, "/metrics", Host="evil.example")[0] == 403
        assert text(server, "/metrics", Host="1.2.3.4.5")[0] == 403


def test_origins(case):
    with Server(case, "--allowed-origins", "https://app.example") as server:
        own = f"http://127.0.0.1:{server.port}"
        for origin, wanted in [(None, 200), (own, 200), ("http://localhost:3000", 200), ("http://[::1]:3000", 200),
                               ("https://app.example", 200), ("https://evil.example", 403), ("null", 403), ("", 403),
                               ("http://localhost.evil.example", 403), ("http://127.0.0.1.evil.example", 403),
                               ("https://app.example.evil", 403), ("http://app.example", 403)]:
            headers = {**JSON, **({} if origin is None else {"Origin": origin})}
            status, back, body = server.request("POST", "/v1/traces", SPANS, headers)
            assert status == wanted, (origin, status)
            assert status == 200 or body == b"Cross-origin request blocked"
            assert (back.get("Access-Control-Allow-Origin") == "https://app.example") == (
                origin == "https://app.example")
        assert server.request("POST", "/v1/traces", SPANS, {**JSON, "Sec-Fetch-Site": "cross-site"})[0] == 403
        assert server.request("GET", "/metrics", headers={"Origin": "https://evil.example"})[0] == 200
        for coding, wanted in [("br", 415), ("gzip", 400)]:  # a page that may use it can read why not
            status, headers, _ = server.request("POST", "/v1/traces", SPANS, {
                **JSON, "Origin": "https://app.example", "Content-Encoding": coding})
            assert status == wanted and headers["Access-Control-Allow-Origin"] == "https://app.example"
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        status, headers, _ = server.request("OPTIONS", "/v1/traces", headers={**ask, "Origin": "https://app.example"})
        assert status == 204 and headers["Access-Control-Allow-Headers"] == "content-type"
        assert headers["Access-Control-Allow-Origin"] == "https://app.example"
        status, headers, _ = server.request("OPTIONS", "/v1/traces", headers={**ask, "Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in headers
        for method, path in routes(case, changing=True):
            status, _, body = server.request(method, path, b"{}", {**JSON, "Origin": "https://evil.example"})
            assert (status, body) == (403, b"Cross-origin request blocked"), (method, path, status)


# -- credentials -------------------------------------------------------------


def route_table(case):
    """(method, role, path) of every route, with something for each capture."""
    table = []
    for line in case.ok("serve", "--routes").out.splitlines():
        method, role, path = line.split()
        table.append((method, role, path.replace("{*}", "1/x").replace("{}", "1")))
    assert len(table) > 30
    both = [(m, r, p.replace("/api/", "/ajax-api/")) for m, r, p in table if p.startswith("/api/")]
    return table + both


def routes(case, changing=False):
    return [(m, p) for m, _, p in route_table(case) if m in ("POST", "PUT", "PATCH", "DELETE") or not changing]


def token(case, name, *args):
    return {"Authorization": "Bearer " + case.ok("auth", "add", name, *args).out.strip()}


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_roles_on_every_route(case):
    who = {role: token(case, role, "--role", role) for role in ("read", "write", "admin")}
    rank = {"-": 0, "read": 1, "write": 2, "admin": 3}
    with Server(case) as server:
        for method, role, path in route_table(case):
            body = None if method == "GET" else b"{}"
            for headers in ({}, {"Authorization": "Bearer tj_" + "0" * 64}, {"Authorization": "Bearer "},
                            basic("read", "wrong"), {"Authorization": "rubbish"}):
                if headers and path != "/v1/traces" and "Basic" in str(headers):
                    continue  # each costs half a second: once is enough
                status, back, _ = server.request(method, path, body, {**JSON, **headers})
                assert (status == 401) == (role != "-"), (method, path, headers, status)
                assert status != 401 or "Basic realm" in back.get_all("WWW-Authenticate")[0]
            for mine, headers in who.items():
                status, _, answer = server.request(method, path, body, {**JSON, **headers})
                if rank[mine] < rank[role]:
                    assert status == 403, (mine, method, path, status, answer)
                else:
                    assert status not in (401, 403), (mine, method, path, status, answer)
        assert server.request("GET", "/nothing")[0] == 401
        assert server.request("GET", "/nothing", headers=who["read"])[0] == 404


def test_scopes(case):
    with Server(case) as server:
        mine, other = (server.json("POST", "/api/2.0/mlflow/experiments/create", {"name": name})["experiment_id"]
                       for name in ("mine", "other"))
    scoped = token(case, "scoped", "--experiment", mine)
    full = token(case, "full")
    with Server(case) as server:
        get = "/api/2.0/mlflow/experiments/get?experiment_id="
        assert server.request("GET", get + mine, headers=scoped)[0] == 200
        assert server.request("GET", get + other, headers=scoped)[0] == 403
        assert server.request("GET", get + other, headers=full)[0] == 200
        assert server.request("GET", "/metrics", headers=scoped)[0] == 403
        found = json.loads(server.request("GET", "/api/2.0/mlflow/experiments/search?max_results=9", headers=scoped)[2])
        assert [e["name"] for e in found["experiments"]] == ["mine"]
        for experiment, wanted in ((mine, 200), (other, 403), (None, 403)):
            headers = {**JSON, **scoped, **({"x-mlflow-experiment-id": experiment} if experiment else {})}
            status = server.request("POST", "/v1/traces", SPANS, headers)[0]
            assert status == wanted, (experiment, status)


def test_credentials_added_at_once(case):
    names = [f"ci{i}" for i in range(16)]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: case.ok("auth", "add", name), names))
    assert sorted(line.split()[0] for line in case.ok("auth").out.splitlines()) == sorted(names)
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: case.ok("auth", "remove", name), names[1:]))
    assert case.ok("auth").out.split()[0] == "ci0" and len(case.ok("auth").out.splitlines()) == 1


def test_users_and_changes(case):
    case.ok("auth", "add", "ana", "--user", "--role", "admin", stdin=b"correct horse\n")
    case.fails(3, "called ana", "auth", "add", "ana")
    case.fails(3, "8 to", "auth", "add", "bob", "--user", stdin=b"short\n")
    case.fails(3, "no password", "auth", "add", "bob", "--user", stdin=b"")
    case.fails(3, "a name is", "auth", "add", "a:b")
    case.fails(3, "--role", "auth", "add", "bob", "--role", "king")
    case.fails(3, "--experiment", "auth", "add", "bob", "--experiment", "all")
    case.fails(3, "no credentials called", "auth", "remove", "bob")
    path = case.folder / "traces.db.auth"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "correct horse" not in path.read_text()
    with Server(case, "--log-level", "debug") as server:
        def status(headers):
            return server.request("GET", "/metrics", headers=headers)[0]
        assert status(basic("ana", "correct horse")) == 200
        begun = time.monotonic()
        for _ in range(20):
            assert status(basic("ana", "correct horse")) == 200
        assert time.monotonic() - begun < 3 or SANITIZED, "verified credentials are remembered"
        assert status(basic("ana", "wrong horse")) == 401
        assert status(basic("nobody", "correct horse")) == 401
        new = token(case, "new", "--role", "read")
        until(lambda: status(new) == 200, "the new token works")
        case.ok("auth", "remove", "new")
        until(lambda: status(new) == 401, "the removed token does not")
        before = path.read_bytes()
        path.write_bytes(b"{broken")
        until(lambda: "credentials" in (case.folder / "serve.log").read_text().split("level=error")[-1], "told")
        assert status(basic("ana", "correct horse")) == 200, "what was read before stays"
        path.unlink()
        until(lambda: status(basic("ana", "correct horse")) == 401, "without a file nobody comes in")
        assert status({}) == 401
        path.write_bytes(before)
        until(lambda: status(basic("ana", "correct horse")) == 200, "the file is back")
        log = (case.folder / "serve.log").read_text()
        secret = new["Authorization"].split()[1]
        assert secret not in log and "correct horse" not in log and "Basic" not in log
    case.fails(3, "credentials", "serve", "--port", "0", "--auth-file", case.write("bad.auth", '{"version": 2}'))
    listed = case.ok("auth", "list", "--json").json()
    assert [(e["name"], e["kind"], e["role"]) for e in listed] == [("ana", "user", "admin")]
    with Server(case, "--host", "0.0.0.0") as server:  # with credentials it may
        assert server.request("GET", "/metrics")[0] == 401


def test_guessing_passwords_does_not_stop_others(case):
    good = token(case, "good")
    case.ok("auth", "add", "ana", "--user", stdin=b"correct horse\n")
    with Server(case) as server, concurrent.futures.ThreadPoolExecutor(60) as pool:
        guesses = [pool.submit(server.request, "GET", "/metrics", None, basic("ana", f"guess {i}")) for i in range(60)]
        served = 0
        while not all(g.done() for g in guesses):
            assert post_as(server, good) == 200
            served += 1
        results = [g.result() for g in guesses]
        statuses = [status for status, _, _ in results]
        assert set(statuses) <= {401, 503} and 503 in statuses and served > 5, (set(statuses), served)
        assert all(headers["Retry-After"] == "1" for status, headers, _ in results if status == 503)


def post_as(server, who):
    return server.request("POST", "/v1/traces", SPANS, {**JSON, **who})[0]


# -- load, and the end -------------------------------------------------------


def test_full_queue(case):
    case.ok("auth", "add", "ana", "--user", stdin=b"correct horse\n")
    with Server(case, "--threads", "1") as server, contextlib.ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 3000:
            raise harness.Skip("1,200 sockets are more than this machine allows")
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        guess = basic("ana", "a guess")["Authorization"]
        sockets = [stack.enter_context(raw(server)) for _ in range(1100)]
        for s in sockets:  # the worker needs half a second for each
            s.sendall(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: {guess}\r\n\r\n".encode())
        until(lambda: server.request("GET", "/readyz")[0] == 503, "the queue is full")
        status, headers, body = server.request("GET", "/readyz")
        assert status == 503 and headers["Retry-After"] == "1"
        assert json.loads(body)["error_code"] == "TEMPORARILY_UNAVAILABLE"
        status, headers, _ = server.request("POST", "/v1/traces", SPANS,
                                            {**JSON, **basic("ana", "correct horse")})
        assert status == 429 and headers["Retry-After"] == "1"
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        server.kill()
        server.process.returncode = 0


def test_stop_under_load(case):
    """What was accepted is answered: no request that reached the server is lost by its end."""
    case_seen = []
    server = Server(case)
    stop = threading.Event()

    def client(number):
        answered = cut = 0
        while not stop.is_set():
            try:
                s = socket.create_connection(("127.0.0.1", server.port), timeout=harness.DEADLINE_S)
            except ConnectionError:
                break  # it listens no more
            with s:
                try:
                    s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              b"Content-Length: %d\r\n\r\n%s" % (len(SPANS), SPANS))
                    answer = read_answer(s)
                except ConnectionError:
                    answer = None
                answered += bool(answer and answer[0] == 200)
                cut += answer is None
        case_seen.append((answered, cut))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    until(lambda: re.search(r'"/v1/traces",code="200"} \d\d\d', text(server, "/metrics")[1]), "it serves hundreds")
    begun = time.monotonic()
    code = server.end()
    took = time.monotonic() - begun
    stop.set()
    for t in threads:
        t.join()
    answered, cut = (sum(column) for column in zip(*case_seen))
    print(f"# {answered} answered, {cut} cut off, stopped in {took:.2f} s")
    assert code == 0 and answered > 100
    assert cut == 0, "connections that were accepted and not answered"
    assert "all requests are answered" in (case.folder / "serve.log").read_text()


def test_stop_waits_for_work(case):
    for i in range(4):  # each login is half a second of work
        case.ok("auth", "add", f"user{i}", "--user", stdin=b"correct horse\n")
    who = token(case, "observer")
    server = Server(case)
    with contextlib.ExitStack() as stack, raw(server) as idle:
        sockets = [stack.enter_context(raw(server)) for _ in range(4)]
        for i, s in enumerate(sockets):
            login = basic(f"user{i}", "correct horse")["Authorization"]
            s.sendall(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: {login}\r\n\r\n".encode())
        until(lambda: "in_flight 5" in server.request("GET", "/metrics", headers=who)[2].decode(), "they are at work")
        assert server.end() == 0
        assert [read_answer(s)[0] for s in sockets] == [200] * 4
        assert idle.recv(1) == b""


def test_grpc_port(case):
    """What is no gRPC stops nothing; real clients are in tests/unit/serve/test_grpc.c and tests/interop."""
    with Server(case, "--grpc-port", "0", "--request-timeout", "1", "--idle-timeout", "1") as server:
        port = int(server.grpc_url.rsplit(":", 1)[1])
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
        with contextlib.ExitStack() as stack:
            sockets = []
            for start in (b"", preface, preface[:9], SPANS, preface + b"\xff" * 50, b"\x16\x03\x01") * 20:
                s = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                s.sendall(start)
                sockets.append(s)
            assert server.request("GET", "/health")[0] == 200
            assert all(closed_within(s, 30) for s in sockets)
        until(lambda: "tracejudge_http_connections 1\n" in text(server, "/metrics")[1], "all let go")
    with Server(case, "--grpc-port", "0", "--json") as server:
        assert server.grpc_url


def test_second_signal(case):
    server = Server(case)
    with raw(server) as s:
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        until(lambda: "in_flight 2" in text(server, "/metrics")[1], "it has begun")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "event=stopping" in (case.folder / "serve.log").read_text(), "it stops")
        begun = time.monotonic()
        assert server.end(signal.SIGINT) == -signal.SIGINT
        assert time.monotonic() - begun < 5 or SANITIZED
    case.ok("traces")  # the store is whole


def test_interrupt_is_a_good_end(case):
    server = Server(case)
    assert server.end(signal.SIGINT) == 0


# -- what it tells -----------------------------------------------------------


def test_metrics(case):
    with Server(case) as server:
        assert post(server, SPANS)[0] == 200
        until(lambda: 'route="/v1/traces",code="200"} 1' in text(server, "/metrics")[1], "counted")
        status, headers, body = server.request("GET", "/metrics")
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        seen = {}
        for line in body.decode().splitlines():
            if line.startswith("#"):
                continue
            name, value = re.fullmatch(r'(\w+(?:\{[^}]*\})?) ([0-9.e+]+)', line).groups()
            assert name not in seen, name
            seen[name] = float(value)
        assert seen["tracejudge_spans_total"] == 5 and seen["tracejudge_store_spans"] == 5
        assert seen["tracejudge_store_traces"] == 1 and seen["tracejudge_span_bytes_total"] == len(SPANS)
        assert seen["tracejudge_http_requests_in_flight"] == 1
        assert seen['tracejudge_http_request_duration_seconds_bucket{le="+Inf"}'] >= 1
        assert 1e6 < seen["process_resident_memory_bytes"] < 1e9


def test_log(case):
    with Server(case, "--log-level", "debug", "--log-format", "json") as server:
        server.request("GET", '/a%0A"b"')
        exchange(server, 'GET /\x1b[31m"\u00e9 HTTP/1.1\nHost: localhost')
        until(lambda: (case.folder / "serve.log").read_text().count('"request"') == 2, "both are told")
    lines = [json.loads(line) for line in (case.folder / "serve.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["listening", "request", "request", "stopping", "stopped"], lines
    assert lines[1]["path"] == '/a%0A"b"' and lines[1]["status"] == 404
    with Server(case) as server:
        server.request("GET", "/health")
    last = (case.folder / "serve.log").read_text().splitlines()[-3:]
    assert [re.search(r"event=(\w+)", line).group(1) for line in last] == ["listening", "stopping", "stopped"]


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
