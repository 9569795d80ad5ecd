"""Local OTLP receivers for measurements: one that takes everything, one that never answers."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Sink:
    """What a receiver took: the bodies of its requests as they came over the wire."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def wire_bytes(self) -> int:
        """Bytes of all bodies, compressed as they were."""
        return sum(map(len, self.bodies))

    @property
    def unpacked(self) -> list[bytes]:
        """The bodies as protobuf."""
        return [gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in self.bodies]

    def spans(self) -> Iterator[Any]:
        """The spans of all requests, decoded."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        for body in self.unpacked:
            for source in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in source.scope_spans:
                    yield from scope.spans


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    sink: Sink
    never: threading.Event


class _Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.sink.bodies.append(body)
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Hanging(_Taking):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.close_connection = True
        self.server.never.wait()


@contextmanager
def taking() -> Iterator[Sink]:
    """A receiver that takes everything and answers at once."""
    with _serving(_Taking) as sink:
        yield sink


@contextmanager
def hanging() -> Iterator[Sink]:
    """A receiver that takes every request and never answers."""
    with _serving(_Hanging) as sink:
        yield sink


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[Sink]:
    server = _Server(("127.0.0.1", 0), handler)
    server.sink = Sink(f"http://127.0.0.1:{server.server_address[1]}")
    server.never = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.sink
    finally:
        server.never.set()
        server.shutdown()
        server.server_close()
