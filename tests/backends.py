"""Backends that do on a local socket what real ones do on a bad day.

    with OtlpHttpStub([Reply(500), OK]) as stub:
        ...  # send to stub.url
        assert [span.name for span in stub.spans()] == [...]

Answers are given in order and the last one for ever; a function instead of a list decides by
the request. `OtlpGrpcStub` does the same for gRPC; `ProxyStub` stands in between; `Authority`
makes certificates for any of them.
"""

from __future__ import annotations

import gzip
import os
import select
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Optional, Union

from google.protobuf.any_pb2 import Any as PackedAny
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOBUF = "application/x-protobuf"
# Read when grpc is imported: its fork handlers abort programs that a test starts (Python 3.9).
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


# --- what is received and answered ---------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A request as it arrived. Names of headers are lower case; `body` is not compressed."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> ExportTraceServiceRequest:
        """The body, decoded with the official class."""
        return ExportTraceServiceRequest.FromString(self.body)

    @property
    def spans(self) -> list[Span]:
        return spans_of(self.message)


@dataclass(frozen=True)
class Reply:
    """What an HTTP stub answers. `fault` is one of

    - ``hang``: nothing, for as long as the stub lives;
    - ``drip``: the whole answer, a byte every 20 ms; with `endless`, a header without an end;
    - ``reset``: the connection is reset instead;
    - ``close``: the connection is closed instead;
    - ``half``: the connection is closed in the middle of the body;
    - ``idle``: the answer, after which the connection is closed without a word.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = PROTOBUF
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    endless: bool = False


OK = Reply()
HANG = Reply(fault="hang")
Answers = Union[Sequence[Reply], Callable[[Received], Reply]]


def partial_success(rejected: int, message: str = "") -> Reply:
    """A 200 that rejects some spans."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return Reply(body=response.SerializeToString())


def spans_of(message: ExportTraceServiceRequest) -> list[Span]:
    return [
        span
        for source in message.resource_spans
        for scope in source.scope_spans
        for span in scope.spans
    ]


class _Script:
    def __init__(self, answers: Any) -> None:
        self._answers = answers if callable(answers) else list(answers)
        self._lock = threading.Lock()
        self._given = 0

    def answer(self, received: Received) -> Any:
        if callable(self._answers):
            return self._answers(received)
        with self._lock:
            self._given += 1
            return self._answers[min(self._given, len(self._answers)) - 1]


# --- certificates --------------------------------------------------------------------


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and key, PEM files."""

    chain: Path
    key: Path


class Authority:
    """A certificate authority of our own, made with the openssl command in `folder`."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "authority.pem"
        self._key = folder / "authority.key"
        self._number = 0
        _openssl(
            *"req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2".split(),
            *("-subj", f"/CN={name}"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        """A certificate for host names and addresses; `expired` one that was valid in 2001."""
        self._number += 1
        made = self._folder / f"server-{self._number}"
        chain, key, request = (made.with_suffix(end) for end in (".pem", ".key", ".csr"))
        kinds = [f"{'IP' if name[:1].isdigit() else 'DNS'}:{name}" for name in names]
        settings = made.with_suffix(".cnf")
        settings.write_text(_CA_SETTINGS.format(folder=made, names=",".join(kinds)))
        made.mkdir()
        (made / "index").touch()
        _openssl(
            *"req -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split(),
            *("-subj", f"/CN={names[0]}", "-keyout", str(key), "-out", str(request)),
        )
        years = ("20010101000000Z", "20020101000000Z") if expired else ("", "")
        times = ("-startdate", years[0], "-enddate", years[1]) if expired else ("-days", "2")
        _openssl(
            *("ca", "-batch", "-notext", "-config", str(settings), *times),
            *("-cert", str(self.certificate), "-keyfile", str(self._key)),
            *("-in", str(request), "-out", str(chain)),
        )
        return Certificate(chain, key)


_CA_SETTINGS = """
[ca]
default_ca = ours
[ours]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = {names}
extendedKeyUsage = serverAuth
"""


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


# --- servers -------------------------------------------------------------------------


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    stub: Any

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.stub.connections += 1
        if self.stub.tls is not None:
            try:
                request = self.stub.tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        self.stub.opened.append(request)
        with suppress(OSError):
            super().finish_request(request, client_address)
        with suppress(OSError):
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class _Listening:
    """A threaded server on a free port of 127.0.0.1, or on `port`, within a `with` block."""

    handler: Any

    def __init__(self, tls: Optional[Certificate] = None, port: int = 0) -> None:
        self.connections = 0
        self.opened: list[Any] = []
        self.over = threading.Event()
        self.tls: Optional[ssl.SSLContext] = None
        if tls is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(tls.chain, tls.key)
        self._server = _Server(("127.0.0.1", port), self.handler)
        self._server.stub = self
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Any:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone at once, connections included. Another stub may take the port."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self.opened:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _OtlpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        stub: OtlpHttpStub = self.server.stub
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): text for name, text in self.headers.items()}
        received = Received(self.command, self.path, headers, body)
        stub.requests.append(received)
        reply = stub.script.answer(received)
        stub.replies.append(reply)
        self._give(stub, reply)

    do_GET = do_POST  # noqa: N815

    def _give(self, stub: OtlpHttpStub, reply: Reply) -> None:
        self.close_connection = bool(reply.fault)
        if reply.fault == "hang":
            stub.over.wait()
        elif reply.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif reply.fault == "drip":
            for byte in self._bytes(reply):
                self.connection.sendall(bytes([byte]))
                if stub.over.wait(0.02):
                    return
        elif reply.fault == "half":
            self.wfile.write(self._bytes(reply)[: -(len(reply.body) // 2)])
        elif reply.fault in ("", "idle"):
            self.wfile.write(self._bytes(reply))

    def _bytes(self, reply: Reply) -> bytes:
        headers = {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            **reply.headers,
        }
        lines = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('Odd',))[0]}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        if reply.endless:
            return ("\r\n".join(lines) + "\r\nX-Long: " + "x" * 60_000).encode("latin-1")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + reply.body

    def log_message(self, *_: object) -> None:
        pass


class OtlpHttpStub(_Listening):
    """An OTLP receiver over HTTP, or HTTPS with `tls`.

    `url` is its endpoint for traces, `requests` is all it got, `spans()` all that it answered
    with a plain 200, `connections` how often somebody connected.
    """

    handler = _OtlpHandler

    def __init__(
        self, answers: Answers = (OK,), *, tls: Optional[Certificate] = None, port: int = 0
    ) -> None:
        super().__init__(tls, port)
        self.script = _Script(answers)
        self.requests: list[Received] = []
        self.replies: list[Reply] = []
        self.base_url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.url = f"{self.base_url}/v1/traces"

    def spans(self) -> list[Span]:
        """The spans of the requests that were answered with a plain 200, repeats included."""
        pairs = zip(list(self.requests), list(self.replies))
        return [span for received, reply in pairs if reply == OK for span in received.spans]


class _ProxyHandler(socketserver.StreamRequestHandler):
    server: Any
    rbufsize = 0  # what follows the head is read from the socket itself

    def handle(self) -> None:
        stub: ProxyStub = self.server.stub
        line = self.rfile.readline().decode("latin-1")
        lines = list(iter(self.rfile.readline, b"\r\n"))
        pairs = (each.decode("latin-1").strip().partition(": ") for each in lines)
        method, url, _version = line.split()
        stub.requests.append(
            Received(method, url, {name.lower(): to for name, _, to in pairs}, b"")
        )
        if stub.status != 200:
            reply = f"HTTP/1.1 {stub.status} Said The Proxy\r\nContent-Length: 0\r\n\r\n"
            self.wfile.write(reply.encode())
            return
        if method == "CONNECT":
            with self._reach(stub, url) as there:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._relay(stub, there)
            return
        host, _, path = url.partition("://")[2].partition("/")
        with self._reach(stub, host) as there:
            there.sendall(f"{method} /{path} HTTP/1.1\r\n".encode() + b"".join(lines) + b"\r\n")
            self._relay(stub, there)

    def _reach(self, stub: ProxyStub, address: str) -> socket.socket:
        _host, _, port = address.rpartition(":")
        return socket.create_connection(("127.0.0.1", stub.routes.get(address, int(port))))

    def _relay(self, stub: ProxyStub, there: socket.socket) -> None:
        ends = {self.connection: there, there: self.connection}
        while not stub.over.is_set():
            for end in select.select(list(ends), [], [], 0.2)[0]:
                read = end.recv(65_536)
                if not read:
                    return
                ends[end].sendall(read)


class ProxyStub(_Listening):
    """A proxy for plain requests and CONNECT. `routes` sends a `host:port` to a local port.

    With another `status` than 200 it refuses to go anywhere.
    """

    handler = _ProxyHandler

    def __init__(self, routes: Optional[Mapping[str, int]] = None, *, status: int = 200) -> None:
        super().__init__()
        self.routes = dict(routes or {})
        self.status = status
        self.requests: list[Received] = []
        self.url = f"http://127.0.0.1:{self.port}"


# --- gRPC ----------------------------------------------------------------------------

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True)
class GrpcReply:
    """What a gRPC stub answers: a status by its name, or OK with a partial success."""

    code: str = "OK"
    details: str = ""
    retry_delay_s: Optional[float] = None
    rejected: int = 0
    message: str = ""
    hang: bool = False
    raw: Optional[bytes] = None


class OtlpGrpcStub:
    """An OTLP receiver over gRPC, or over TLS with `tls`; like :class:`OtlpHttpStub`.

    `most_bytes` is the size of a request that it takes, by default what gRPC servers take.
    """

    def __init__(
        self,
        answers: Union[Sequence[GrpcReply], Callable[[Received], GrpcReply]] = (GrpcReply(),),
        *,
        tls: Optional[Certificate] = None,
        port: int = 0,
        most_bytes: int = 4 << 20,
    ) -> None:
        import grpc

        self.requests: list[Received] = []
        self.replies: list[GrpcReply] = []
        self._script = _Script(answers)
        self._over = threading.Event()
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", most_bytes)]
        self._server = grpc.server(ThreadPoolExecutor(8), options=options)
        handler = grpc.unary_unary_rpc_method_handler(self._export)
        _, service, method = _EXPORT.split("/")
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        address = f"127.0.0.1:{port}"
        if tls is None:
            self.port = self._server.add_insecure_port(address)
        else:
            pair = (tls.key.read_bytes(), tls.chain.read_bytes())
            self.port = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> OtlpGrpcStub:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone at once."""
        self._over.set()
        self._server.stop(0).wait()

    def spans(self) -> list[Span]:
        """The spans of the requests that were answered with a plain OK, repeats included."""
        pairs = zip(list(self.requests), list(self.replies))
        return [
            span for received, reply in pairs if reply == GrpcReply() for span in received.spans
        ]

    def _export(self, body: bytes, context: Any) -> bytes:
        import grpc

        headers = {item.key: item.value for item in context.invocation_metadata()}
        received = Received("POST", _EXPORT, headers, body)
        self.requests.append(received)
        reply = self._script.answer(received)
        self.replies.append(reply)
        if reply.hang:
            self._over.wait()
        if reply.retry_delay_s is not None:
            details = (("grpc-status-details-bin", _retry_status(reply)),)
            context.set_trailing_metadata(details)
        if reply.code != "OK":
            context.abort(grpc.StatusCode[reply.code], reply.details)
        if reply.raw is not None:
            return reply.raw
        response = ExportTraceServiceResponse()
        if reply.rejected or reply.message:
            response.partial_success.rejected_spans = reply.rejected
            response.partial_success.error_message = reply.message
        return response.SerializeToString()


def _retry_status(reply: GrpcReply) -> bytes:
    import grpc
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    told = RetryInfo()
    told.retry_delay.FromTimedelta(_timedelta(reply.retry_delay_s or 0.0))
    packed = PackedAny()
    packed.Pack(told)
    code = grpc.StatusCode[reply.code].value[0]
    return Status(code=code, message=reply.details, details=[packed]).SerializeToString()


def _timedelta(seconds: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=seconds)


def wait_for(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """The condition's first true value; AssertionError after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ids_of(spans: Iterable[Span]) -> list[str]:
    """Their span ids as we write them."""
    return [span.span_id.hex() for span in spans]
