"""A mail server and a webhook on this machine, as far as a client can tell; and one that never answers."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_string, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import cast


class _Mail(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as smtplib speaks."""

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "DATA":
                self._say("354 go on")
                self._receive()
            self._say("221 bye" if word == "QUIT" else "250 ok")

    def _receive(self) -> None:
        lines: list[str] = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line.removeprefix(".") if line.startswith("..") else line)
        message = message_from_string("\n".join(lines), policy=policy.default)
        self.server.received.append(cast(EmailMessage, message))  # type: ignore[attr-defined]

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(b"ok" if self.server.status == 200 else b"no_service")  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[int, list[EmailMessage]]]:
    """(port, mails received)."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail)
    server.daemon_threads = True
    server.received = []  # type: ignore[attr-defined]
    with _serving(server) as port:
        yield port, server.received  # type: ignore[attr-defined]


@contextlib.contextmanager
def webhook(status: int = 200) -> Iterator[tuple[int, list[tuple[str, dict[str, object]]]]]:
    """(port, bodies received with their path)."""
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.received, server.status = [], status  # type: ignore[attr-defined]
    with _serving(server) as port:
        yield port, server.received  # type: ignore[attr-defined]


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
