"""The tests' server leaves nothing behind, whatever its clients do."""

from __future__ import annotations

import socket
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from tests.serving import Server


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def test_no_thread_is_left_of_clients_that_keep_their_connection() -> None:
    before = set(threading.enumerate())
    server = Server(("127.0.0.1", 0), Handler)
    server.begin()
    asked = HTTPConnection("127.0.0.1", server.server_port)
    asked.request("GET", "/")
    assert asked.getresponse().status == 204
    silent = socket.create_connection(("127.0.0.1", server.server_port))
    server.end()
    assert set(threading.enumerate()) == before
    asked.close()
    silent.close()
