"""Servers that answer like the two APIs, one scripted answer per request, and what they heard."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

from harness_tracing.evaluate.judge.answers import Choices
from harness_tracing.evaluate.judge.asking import Question
from harness_tracing.evaluate.judge.run import Judge
from harness_tracing.evaluate.templates import Prompt

CHOICES = Choices({"correct": 1.0, "incorrect": 0.0}, explain=True)
GOOD = {"explanation": "It ran the check.", "label": "correct"}


@dataclass(frozen=True)
class Says:
    """One answer: a body (text is sent as it is), its status and headers; `hangs` seconds first."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: float = 0.0
    drops: bool = False


class Api:
    """A server on loopback; the last answer is given again and again."""

    def __init__(self, *answers: Says) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (_Handler,), {"api": self}))
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Api:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def heard(self, handler: BaseHTTPRequestHandler) -> Says:
        """Keep a request; the answer to it."""
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            self.requests.append(body)
            self.headers.append({k.lower(): v for k, v in handler.headers.items()})
            self.paths.append(handler.path)
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def done(self) -> None:
        """A request was answered."""
        with self._lock:
            self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    api: Api

    def do_POST(self) -> None:
        says = self.api.heard(self)
        time.sleep(says.hangs)
        self.api.done()
        if says.drops:
            self.connection.close()
            return
        body = says.body if isinstance(says.body, str) else json.dumps(says.body)
        self.send_response(says.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body.encode())))
        for name, value in says.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body.encode())
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def openai_body(content: Any, *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion."""
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    said = {"role": "assistant", "content": text, **message}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }


def tool_call(name: str, arguments: Any) -> dict[str, Any]:
    """A tool call of a chat completion."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": "t", "type": "function", "function": function}


def anthropic_body(*content: Any, stop: str = "tool_use") -> dict[str, Any]:
    """A message."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }


def tool_use(answer: Any, name: str = "verdict") -> dict[str, Any]:
    """A tool call of a message."""
    return {"type": "tool_use", "id": "t", "name": name, "input": answer}


def question(text: str = "Did it run the check?", choices: Choices = CHOICES) -> Question:
    """A question without recorded text."""
    return Question(Prompt("You judge.", text), choices)


class Waits:
    """A clock to sleep by: keeps how long it was asked to."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def judge(provider: Any, waits: Optional[Waits] = None, **more: Any) -> Judge:
    """A judge that does not really wait, and always as long as its backoff is."""
    return Judge(provider, sleep=waits or Waits(), jitter=lambda: 1.0, **more)


def outcomes(report: Any) -> Sequence[Any]:
    """What came of each question; None where it was not asked."""
    return [each.outcome if each else None for each in report.judged]
