"""A scripted Anthropic Messages server on loopback: Claude Code talks to it as to the real one.

What it answers is decided by markers. A prompt that holds ``[[name]]``, or what another pattern
finds, plays the script ``name``: the first request after the marker gets the script's first step,
the next one its second, and so on. A sub-agent's prompt carries a marker of its own, so
its thread plays a script of its own. Nothing else decides, so that sessions may run side by
side, be killed, resumed and forked.

Every request is kept in :attr:`ScriptedModel.log` (also ``GET /log``) with the ids, token
counts and tools that were sent: what a tracer must find.

Standard library only; Python 3.9 or newer.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

from harness_tracing.loop_demo.messages_api import Reply, Step, Tokens

MARKER = re.compile(r"\[\[([a-z0-9_]+)\]\]")
WORKING_DIRECTORY = re.compile(r"[Ww]orking directory: (\S+)")
STARTED = {
    "agent": re.compile(r"agentId: (\w+)"),
    "task": re.compile(r"running in background with ID: (\w+)"),
}
SUMMARY_REQUEST = "create a detailed summary"
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


Scripts = Mapping[str, tuple[Step, ...]]
SUMMARY = Step(text="A summary.")
LAST_WORD = Step(text="There is nothing left in the script.")


def _halfway(event: Mapping[str, Any], blocks: int) -> bool:
    """Whether an event is the first piece of the last of so many blocks."""
    return bool(event["type"] == "content_block_delta" and event["index"] == blocks - 1)


def _texts(message: Mapping[str, Any]) -> list[str]:
    """What a message says itself; results of tools are not part of it."""
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [b["text"] for b in content or () if isinstance(b, dict) and b.get("type") == "text"]


def _place(messages: list[Mapping[str, Any]], marker: re.Pattern[str]) -> tuple[Optional[str], int]:
    """The marker that rules this request, and how many replies there were since."""
    replies = 0
    for message in reversed(messages):
        if message["role"] == "assistant":
            replies += 1
        elif message["role"] == "user":
            found = [name for text in _texts(message) for name in marker.findall(text)]
            if found:
                return found[-1], replies
    return None, replies


class ScriptedModel:
    """The server. Use it as a context manager; it listens from `__enter__` to `__exit__`.

    `summary` answers the requests that compact a conversation. `marker` finds the names of
    scripts, as its first group, in what a prompt says.
    """

    def __init__(
        self,
        scripts: Scripts,
        summary: Step = SUMMARY,
        port: int = 0,
        marker: re.Pattern[str] = MARKER,
    ):
        self.scripts = scripts
        self.marker = marker
        self.summary = summary
        self.log: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._numbers = 0
        self._attempts: dict[tuple[Any, ...], int] = {}
        self._folders: dict[str, str] = {}
        handler = type("Handler", (_Handler,), {"model": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        """What ANTHROPIC_BASE_URL must be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ScriptedModel:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def answered(self, session_id: Optional[str] = None) -> list[dict[str, Any]]:
        """Log entries of replies that were sent whole, oldest first."""
        return [
            entry
            for entry in list(self.log)
            if entry["complete"] and session_id in (None, entry["session_id"])
        ]

    def reply(self, session_id: str, request: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """The log entry of a request and its answer: a Reply, or an HTTP status that fails it."""
        kind, marker, position, step = self._step(request)
        with self._lock:
            named = {"cwd": self._folder(session_id, request), **_started(request)}
            turn = (session_id, marker, position, len(request["messages"]), kind)
            attempt = self._attempts[turn] = self._attempts.get(turn, 0) + 1
            entry: dict[str, Any] = {
                "session_id": session_id,
                "kind": kind,
                "marker": marker,
                "position": position,
                "attempt": attempt,
                "model": request.get("model"),
                "at_ns": time.time_ns(),
                "status": 200,
                "complete": False,
            }
            self.log.append(entry)
            status = step.always_fails or (step.errors + (0,) * attempt)[attempt - 1]
            if status:
                entry["status"] = status
                return entry, status
            self._numbers += 1
            reply = _filled(step, self._numbers, str(request.get("model")), named)
            entry.update(_truth(reply))
            return entry, reply

    def _step(self, request: Mapping[str, Any]) -> tuple[str, Optional[str], int, Step]:
        messages = request["messages"]
        marker, position = _place(messages, self.marker)
        users = [message for message in messages if message["role"] == "user"]
        if users and any(SUMMARY_REQUEST in text for text in _texts(users[-1])):
            return "compaction", marker, position, self.summary
        script = self.scripts.get(marker or "")
        if script is None:
            return "other", marker, position, LAST_WORD
        return "main", marker, position, script[position] if position < len(script) else LAST_WORD

    def _folder(self, session_id: str, request: Mapping[str, Any]) -> str:
        found = [
            match.group(1)
            for text in (t for m in request["messages"] for t in _texts(m))
            for match in [WORKING_DIRECTORY.search(text)]
            if match
        ]
        if found:
            self._folders.setdefault(session_id, found[0])
        return self._folders.get(session_id, ".")


def _started(request: Mapping[str, Any]) -> dict[str, str]:
    """What results of tools said they started last."""
    results = json.dumps([m["content"] for m in request["messages"] if m["role"] == "user"])
    found = {name: pattern.findall(results) for name, pattern in STARTED.items()}
    return {name: ids[-1] for name, ids in found.items() if ids}


def _filled(step: Step, number: int, model: str, named: Mapping[str, str]) -> Reply:
    content: list[Mapping[str, Any]] = []
    if step.thinking:
        content.append({"type": "thinking", "thinking": step.thinking, "signature": "c2lnbmVk"})
    if step.text:
        content.append({"type": "text", "text": step.text})
    content.extend(step.blocks)
    for index, tool in enumerate(step.tools):
        arguments = json.loads(_with_names(json.dumps(tool.arguments), named))
        tool_id = f"toolu_01scripted{number:08d}{index:02d}"
        content.append({"type": "tool_use", "id": tool_id, "name": tool.name, "input": arguments})
    tokens = step.tokens or Tokens(
        input=3 + number % 7,
        cache_read=12_000 + 100 * number,
        cache_write_5m=1_000 + number,
        cache_write_1h=500 + number if number % 3 == 0 else 0,
        output=40 + number,
    )
    stop_reason = step.stop_reason or ("tool_use" if step.tools else "end_turn")
    return Reply(number, model, step, tokens, tuple(content), stop_reason)


def _with_names(text: str, named: Mapping[str, str]) -> str:
    for name, value in named.items():
        text = text.replace("{" + name + "}", value)
    return text


def _truth(reply: Reply) -> dict[str, Any]:
    return {
        "message_id": reply.message_id,
        "request_id": reply.request_id,
        "stop_reason": reply.stop_reason,
        "usage": dict(vars(reply.tokens)),
        "text": reply.step.text,
        "thinking": reply.step.thinking,
        "tools": [
            {"id": block["id"], "name": block["name"], "input": block["input"]}
            for block in reply.content
            if block["type"] == "tool_use"
        ],
    }


class _Handler(BaseHTTPRequestHandler):
    model: ScriptedModel
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        log = self.path.startswith("/log")
        self._json(200, list(self.model.log) if log else {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/v1/messages/count_tokens"):
            self._json(200, {"input_tokens": max(1, len(body) // 4)})
        elif self.path.startswith("/v1/messages"):
            self._message(json.loads(body))
        else:
            self._json(200, {})

    def _message(self, request: Mapping[str, Any]) -> None:
        session_id = self.headers.get("x-claude-code-session-id") or ""
        entry, reply = self.model.reply(session_id, request)
        try:
            if isinstance(reply, int):
                self._fail(reply)
            else:
                self._play(reply, entry, bool(request.get("stream")))
        except (BrokenPipeError, ConnectionResetError):
            entry["client_left"] = True
            self.close_connection = True
        entry["ended_ns"] = time.time_ns()

    def _play(self, reply: Reply, entry: dict[str, Any], stream: bool) -> None:
        self.model.stopped.wait(reply.step.delay_s)
        if not stream:
            self._json(200, reply.message(), reply.request_id)
            entry["complete"] = True
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("request-id", reply.request_id)
        self.send_header("connection", "close")
        self.end_headers()
        for event in reply.stream():
            line = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            self.wfile.write(line.encode())
            self.wfile.flush()
            if reply.step.hangs and event["type"] == "content_block_delta":
                self.model.stopped.wait()
                return
            if reply.step.breaks_off and _halfway(event, len(reply.content)):
                return
        entry["complete"] = True

    def _fail(self, status: int) -> None:
        kind = ERROR_TYPES.get(status, "api_error")
        error = {"type": kind, "message": f"scripted {status}"}
        self._json(status, {"type": "error", "error": error}, f"req_011failed{time.time_ns()}")

    def _json(self, status: int, value: Any, request_id: str = "") -> None:
        self._answer(status, json.dumps(value).encode(), request_id)

    def _answer(self, status: int, body: bytes, request_id: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if request_id:
            self.send_header("request-id", request_id)
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: what happened is in the log."""
