"""Cursor's backend on loopback, as far as its SDK runtime asks for it, playing scripts.

The runtime opens a stream per prompt (`RunSSE`) and sends what it has to say by calls beside it
(`BidiAppend`). On the stream the backend tells it what to run, what the model says, and which
hooks to run that only the backend knows the moment of. Field numbers are those of the runtime's
own messages (1.0.32).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Optional

import protobuf
from protobuf import Decoded, Value

MODEL = "scripted-model"
WAIT_S = 30.0
# In ExecServerMessage and ExecClientMessage the request and its result have one number.
SHELL, WRITE, READ, MCP, HOOK, SUBAGENT = 14, 3, 7, 11, 27, 28
PRE_COMPACT, SUBAGENT_START, SUBAGENT_STOP, RESPONSE, THOUGHT = 1, 2, 3, 8, 9


class Refused(Exception):  # noqa: N818
    """The script answers with an HTTP error."""


class Run:
    """One prompt's stream, as its script sees it."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.out: queue.Queue[Optional[bytes]] = queue.Queue()
        self.told: queue.Queue[Decoded] = queue.Queue()
        self.conversation_id = self.prompt = ""
        self._count = 0

    def opened(self, client: Decoded) -> None:
        """Take in what the client runs: its conversation and prompt."""
        request = protobuf.message(client, 1)
        self.conversation_id = protobuf.text(request, 5)
        self.prompt = protobuf.text(protobuf.message(request, 2, 1, 1), 1)

    def send(self, **parts: Value) -> None:
        """Put a server message on the stream, by field number: `f1={…}`."""
        fields = {int(name[1:]): value for name, value in parts.items()}
        self.out.put(protobuf.encode(fields))

    def execute(self, what: int, arguments: Mapping[int, Value]) -> Decoded:
        """Have the client do something; its result, which for a shell is its exit."""
        return self._result(self._ask(what, arguments), what)

    def _ask(self, what: int, arguments: Mapping[int, Value]) -> int:
        self._count += 1
        self.send(f2={1: self._count, 15: f"exec-{self._count}", what: arguments})
        return self._count

    def _result(self, number: int, what: int) -> Decoded:
        """What came of a request; the client says in a message of its own that it is done."""
        result: Decoded = {}
        while True:
            told = self.told.get(timeout=WAIT_S)
            client, control = protobuf.message(told, 2), protobuf.message(told, 5)
            if client.get(1, [0])[0] == number and what in client:
                result = protobuf.message(client, what)
            if protobuf.message(control, 1).get(1, [0])[0] == number:
                return result

    def hook(self, which: int, fields: Mapping[int, Value]) -> None:
        """Have the client run the hooks of an event that only the backend knows of."""
        self.execute(HOOK, {1: {which: fields}})

    def says(self, said: str) -> None:
        """The model writes."""
        self.send(f1={1: {1: said}})

    def ids(self, first: int) -> dict[int, Value]:
        """Conversation, generation and model, the fields from `first` on."""
        return {first: self.conversation_id, first + 1: self.request_id, first + 2: MODEL}

    def shell(self, command: str, tool_use_id: str) -> Decoded:
        """Run a command."""
        asked = {1: command, 3: 30000, 4: tool_use_id, 5: [command.split()[0]], 12: 1}
        return self.execute(SHELL, asked)

    def shells(self, commands: Sequence[str]) -> None:
        """Run commands at once."""
        numbers = set()
        for command in commands:
            numbers.add(self._ask(SHELL, {1: command, 3: 30000, 5: ["sh"], 12: 1}))
        while numbers:
            control = protobuf.message(self.told.get(timeout=WAIT_S), 5)
            numbers -= set(protobuf.message(control, 1).get(1, []))

    def answers(self, said: str, *tokens: int) -> None:
        """The model's last words; the hook is told them, with its tokens where there are any."""
        self.says(said)
        counts: dict[int, Value] = dict(zip((7, 8, 9, 10), tokens))
        self.hook(RESPONSE, {1: said, **self.ids(2), **counts})

    def ends(self) -> None:
        """The turn is over."""
        self.send(f1={14: {1: 1}})
        self.out.put(None)


Script = Callable[[Run], None]


class Backend:
    """Serves one runtime. Scripts are chosen by the prompt's first word."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.scripts = scripts
        self.runs: dict[str, Run] = {}
        self.problems: list[str] = []
        self._changed = threading.Condition()
        backend = self

        class Handler(_Handler):
            """Bound to this backend."""

            server_of = backend

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[Backend]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    def run_of(self, request_id: str) -> Run:
        """The run with that id, made when it is new: stream and first call race."""
        with self._changed:
            return self.runs.setdefault(request_id, Run(request_id))

    def play(self, run: Run) -> None:
        """Play the script of a run, once the client has said what it is about."""
        try:
            run.opened(run.told.get(timeout=WAIT_S))
            self.scripts[run.prompt.split()[0]](run)
        except Refused:
            raise
        except Exception as error:
            self.problems.append(f"{run.prompt!r}: {type(error).__name__}: {error}")
        finally:
            run.out.put(None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Backend

    def do_GET(self) -> None:
        models = {"items": [{"id": MODEL, "displayName": "Scripted"}]}
        self._reply("application/json", json.dumps(models).encode())

    def do_POST(self) -> None:
        body = self._body()
        if self.path.endswith("/exchange_user_api_key"):
            tokens = {"accessToken": "scripted", "refreshToken": "scripted"}
            self._reply("application/json", json.dumps(tokens).encode())
        elif self.path.endswith("/RunSSE"):
            self._stream(protobuf.text(protobuf.decode(body[5:]), 1))
        elif self.path.endswith("/BidiAppend"):
            call = protobuf.decode(body)
            run = self.server_of.run_of(protobuf.text(protobuf.message(call, 2), 1))
            run.told.put(protobuf.decode(bytes.fromhex(protobuf.text(call, 1))))
            self._reply("application/proto", b"")
        else:
            kind = self.headers.get("Content-Type") or "application/json"
            self._reply(kind, b"{}" if "json" in kind else b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while True:
            size = int(self.rfile.readline(), 16)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if size == 0:
                return b"".join(parts)

    def _stream(self, request_id: str) -> None:
        run = self.server_of.run_of(request_id)
        player = threading.Thread(target=self.server_of.play, args=(run,), daemon=True)
        player.start()
        self.send_response(200)
        self.send_header("Content-Type", "application/connect+proto")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            message = run.out.get()
            flag, content = (2, b"{}") if message is None else (0, message)
            self._chunk(bytes([flag]) + len(content).to_bytes(4, "big") + content)
            if message is None:
                break
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _reply(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the runs and problems tell."""
