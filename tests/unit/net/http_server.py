"""http_server - behaves well or badly, as the path says, for test_http_client.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import http.server
import sys
import threading

STOPPED = threading.Event()
CONNECTIONS = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        CONNECTIONS.append(self.client_address)

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        what = self.path.split("?")[0]
        if what == "/echo":
            text = f"{self.command} {self.path}\n{self.headers}".encode() + body
            self.send(200, text, X_One="1", x_two="  two  ")
        elif what == "/connections":
            self.send(200, str(len(CONNECTIONS)).encode())
        elif what == "/redirect":
            self.send(302, b"elsewhere", Location="/echo")
        elif what == "/teapot":
            self.send(418, b"short and stout")
        elif what == "/continue":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n")
            self.send(200, b"ok")
        elif what == "/big":
            self.send(200, b"x" * 100_000)
        elif what == "/bomb":
            self.send(200, gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip")
        elif what == "/gzip":
            self.send(200, gzip.compress(b"unpacked"), Content_Encoding="gzip")
        elif what == "/cut":
            self.send(200, b"half", content_length="8")
            self.close_connection = True
        elif what == "/close":
            self.close_connection = True
        elif what == "/headers":
            self.send(200, b"", **{f"x{i}": "y" * 60_000 for i in range(8)})
        elif what == "/hang":
            STOPPED.wait(600)
            self.close_connection = True
        elif what == "/empty":
            self.send(200, b"")
        elif what == "/garbage":
            self.wfile.write(b"\x00\x01 not http\r\n\r\n")
            self.close_connection = True

    do_GET = do_POST = do_PUT = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        """Clients that hang up are what is tested."""


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
print(f"port {server.server_address[1]}", flush=True)
sys.stdin.read()
STOPPED.set()
server.shutdown()
