"""A scripted Responses API on loopback: Codex talks to it as to the real one.

A prompt that holds ``[[name]]`` plays the script ``name``; each request of a thread after it
gets the next step. A step is a list of output items, `Fails`, or `HANGS`. Every answer is kept
in `log` with its id, token counts and the tools it asked for: what a tracer must find.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Optional, Union

MARKER = re.compile(r"\[\[([a-z0-9_]+)\]\]")
HANGS = "hangs"
Json = Any


@dataclass(frozen=True)
class Fails:
    """An answer with an HTTP status."""

    status: int


@dataclass(frozen=True)
class Says:
    """An answer; `tokens` are input and, of it, cached; None: made from its number."""

    items: tuple[Mapping[str, Json], ...]
    tokens: Optional[tuple[int, int]] = None


Step = Union[Says, Fails, str]
Script = tuple[Union[Step, Callable[[Json], Step]], ...]


def says(*items: Mapping[str, Json], tokens: Optional[tuple[int, int]] = None) -> Says:
    """An answer of these items."""
    return Says(items, tokens)


def text(words: str) -> dict[str, Json]:
    """A message."""
    content = [{"type": "output_text", "text": words, "annotations": []}]
    return {"type": "message", "role": "assistant", "status": "completed", "content": content}


def call(name: str, namespace: Optional[str] = None, **arguments: Json) -> dict[str, Json]:
    """A call of a function tool."""
    found = {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}
    return {**found, "namespace": namespace} if namespace else found


def run(command: str) -> dict[str, Json]:
    """A call of the shell."""
    return call("exec_command", cmd=command, yield_time_ms=25_000)


def custom(name: str, code: str) -> dict[str, Json]:
    """A call of a tool that takes text: apply_patch, or exec of code mode."""
    return {"type": "custom_tool_call", "name": name, "input": code, "status": "completed"}


@dataclass
class Server:
    """The server; a context manager."""

    scripts: Mapping[str, Script]
    log: list[dict[str, Json]] = field(default_factory=list)
    _steps: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Server:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Json) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self.send_error(404)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "{}")
                if self.path.endswith("/responses"):
                    server.answer(self, body)
                else:
                    self.send_error(404)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler, body: Json) -> None:
        """Answer one request."""
        marker = _marker(body)
        with self._lock:
            thread = (marker, str(body.get("prompt_cache_key")))
            position = self._steps[thread] = self._steps.get(thread, -1) + 1
            number = len(self.log)
            entry = {"id": f"resp_{number:04d}", "marker": marker, "position": position}
            self.log.append({**entry, "tools": [], "whole": False, "status": 200})
        script = self.scripts.get(marker, (says(text("There is no such script.")),))
        found = script[position] if position < len(script) else says(text("Nothing is left."))
        step = found(body) if callable(found) else found
        if isinstance(step, Fails):
            self.log[number]["status"] = step.status
            content = json.dumps({"error": {"message": "scripted", "code": "scripted"}}).encode()
            handler.send_response(step.status)
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
            return
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        try:
            self._stream(handler, number, step)
        except (BrokenPipeError, ConnectionResetError):
            return

    def _stream(self, handler: BaseHTTPRequestHandler, number: int, step: Json) -> None:
        def send(kind: str, **fields: Json) -> None:
            lines = f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
            handler.wfile.write(lines.encode())
            handler.wfile.flush()

        entry = self.log[number]
        send("response.created", response={"id": entry["id"]})
        if step == HANGS:
            time.sleep(60)
            return
        for index, item in enumerate(step.items):
            whole = {"id": f"item_{number:04d}_{index}", **item}
            if "call" in item["type"]:
                whole["call_id"] = f"call_{number:04d}_{index}"
                entry["tools"].append({**item, "id": whole["call_id"]})
            send("response.output_item.added", output_index=index, item=whole)
            send("response.output_item.done", output_index=index, item=whole)
        given, cached = step.tokens or (8000 + 100 * number, 6000 + number)
        entry["usage"] = {"input": given, "cached": cached, "output": 20 + number}
        entry["whole"] = True
        send("response.completed", response={"id": entry["id"], "usage": _usage(entry["usage"])})


def _usage(usage: Mapping[str, int]) -> dict[str, Json]:
    return {
        "input_tokens": usage["input"],
        "input_tokens_details": {"cached_tokens": usage["cached"]},
        "output_tokens": usage["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["input"] + usage["output"],
    }


def _marker(body: Json) -> str:
    """The marker that came last in what people and other agents wrote."""
    said = [item for item in body.get("input", ()) if isinstance(item, dict) and _is_said(item)]
    found = MARKER.findall(json.dumps(said))
    return str(found[-1]) if found else ""


def _is_said(item: Mapping[str, Json]) -> bool:
    if item.get("type") == "agent_message":  # what sub-agents (v2) and who started them write
        return True
    return item.get("role") in ("user", "assistant") and item.get("type") == "message"
