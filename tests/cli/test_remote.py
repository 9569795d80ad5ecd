"""Reading a Phoenix that is not there, not willing, too old, or no Phoenix at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("phoenix.client", reason="the extra `phoenix` needs Python 3.10")

from tests.cli.conftest import CommandLine

KEY = "fake-key-of-a-team"
Answer = tuple[int, dict[str, str], str]


@dataclass
class Fake:
    """A server that gives each path the answer it was told, and remembers what it was asked."""

    answers: dict[str, Answer]
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def _json(value: Any, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(value)


VERSION: Answer = (200, {"content-type": "text/plain"}, "20.26.1")
PROJECTS = _json({"data": [{"id": "UHJvamVjdDoy", "name": "team"}], "next_cursor": None})


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[Fake]:
    fake = Fake(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            fake.asked.append((path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = fake.answers.get(path, (404, {}, "not here"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving({"/arize_phoenix_version": VERSION, "/v1/projects": PROJECTS}) as started:
        yield started


def _at(run: CommandLine, fake: Fake, **environ: str) -> CommandLine:
    run.environ.update({"PHOENIX_ENDPOINT": fake.url, "PHOENIX_API_KEY": KEY, **environ})
    return run


LIST = ("projects", "list", "--from", "phoenix")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_and_not_shown(run: CommandLine, fake: Fake, status: int) -> None:
    fake.answers["/v1/projects"] = (status, {}, f"bad token {KEY}")
    ran = _at(run, fake)(*LIST)
    assert (ran.code, ran.out) == (1, "")
    assert "PHOENIX_API_KEY" in ran.err and str(status) in ran.err
    assert KEY not in ran.err
    assert fake.asked[-1][1]["authorization"] == f"Bearer {KEY}"


def test_no_key_is_sent_where_a_redirect_points(run: CommandLine, fake: Fake) -> None:
    with serving({"/v1/projects": PROJECTS}) as other:
        fake.answers["/v1/projects"] = (307, {"location": f"{other.url}/v1/projects"}, "")
        ran = _at(run, fake)(*LIST)
        assert ran.code == 1 and "elsewhere" in ran.err
        assert other.asked == []


def test_what_a_folder_says_of_phoenix_is_not_listened_to(
    run: CommandLine, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"/v1/projects": PROJECTS, "/arize_phoenix_version": VERSION}) as other:
        folder = run.folder / "cloned"
        folder.mkdir()
        lines = f"PHOENIX_ENDPOINT={other.url}\nPHOENIX_CLIENT_HEADERS=x-evil=1\n"
        (folder / ".env.phoenix").write_text(lines)
        (folder / ".env.phoenix").chmod(0o600)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", other.url)
        monkeypatch.setenv("HTTP_PROXY", other.url)
        fake.answers["/v1/projects/UHJvamVjdDoy/sessions"] = _json({"data": []})
        ran = _at(run, fake)(*LIST, "--json")
        assert ran.code == 0, ran.err
        assert [row["project"] for row in ran.json] == ["team"]
        assert other.asked == []
        assert all("x-evil" not in headers for _, headers in fake.asked)


def test_a_projects_settings_do_not_take_the_key_elsewhere(run: CommandLine, fake: Fake) -> None:
    config = run.home.root / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    settings = {"endpoint": fake.url, "api_key": KEY}
    config.write_text(json.dumps({"destinations": {"phoenix": settings}}))
    with serving({"/v1/projects": PROJECTS, "/arize_phoenix_version": VERSION}) as other:
        run.environ["PHOENIX_ENDPOINT"] = other.url
        ran = run(*LIST)
        assert ran.code == 1
        assert all("authorization" not in headers for _, headers in other.asked)
        assert KEY not in ran.err


def test_a_server_that_is_gone(run: CommandLine, fake: Fake) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        fake.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    ran = _at(run, fake)(*LIST)
    assert (ran.code, ran.out) == (1, "")
    assert "cannot be reached" in ran.err and fake.url in ran.err


def test_an_old_server_is_named_as_that(run: CommandLine, fake: Fake) -> None:
    fake.answers["/arize_phoenix_version"] = (200, {}, "9.0.0")
    ran = _at(run, fake)("sessions", "list", "--from", "phoenix")
    assert ran.code == 1
    assert "too old" in ran.err and "9.0.0" in ran.err


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"content-type": "text/html"}, "<html>welcome</html>"),
        _json({"data": [{"nothing": 1}]}),
        _json(["data"]),
        _json({}),
    ],
)
def test_what_is_no_phoenix_is_said(run: CommandLine, fake: Fake, answer: Answer) -> None:
    fake.answers["/v1/projects"] = answer
    ran = _at(run, fake)(*LIST)
    assert ran.code == 1
    assert "does not answer as Phoenix does" in ran.err


def test_something_else_on_that_port(run: CommandLine, fake: Fake) -> None:
    fake.answers.clear()
    ran = _at(run, fake)("sessions", "show", "x", "--from", "phoenix")
    assert ran.code == 1 and "404" in ran.err


def test_an_error_of_the_server(run: CommandLine, fake: Fake) -> None:
    fake.answers["/v1/projects"] = (500, {}, "boom")
    ran = _at(run, fake)(*LIST)
    assert ran.code == 1 and "(500)" in ran.err


def test_a_project_that_is_unknown_names_the_known(run: CommandLine, fake: Fake) -> None:
    for command in (["spans", "export", "nope"], ["sessions", "list", "--project", "nope"]):
        ran = _at(run, fake)(*command, "--from", "phoenix")
        assert ran.code == 1
        assert "no project 'nope'" in ran.err and "'team'" in ran.err


@pytest.mark.parametrize(
    ("environ", "source", "says"),
    [
        ({}, "phoenix", "PHOENIX_ENDPOINT"),
        ({"PHOENIX_ENDPOINT": "http://127.0.0.1:9"}, "phoenix:other", "phoenix:phoenix"),
        ({"PHOENIX_ENDPOINT": "grpc://127.0.0.1:4317"}, "phoenix", "HTTP endpoint"),
    ],
)
def test_a_server_that_is_not_configured(
    run: CommandLine, environ: dict[str, str], source: str, says: str
) -> None:
    run.environ.update(environ)
    ran = run("projects", "list", "--from", source)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


def test_of_several_servers_one_has_to_be_named(run: CommandLine, fake: Fake) -> None:
    config = run.home.root / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    fake.answers["/v1/projects/UHJvamVjdDoy/sessions"] = _json({"data": []})
    destinations = {
        "home": {"kind": "phoenix", "endpoint": "http://127.0.0.1:9"},
        "team": {"kind": "phoenix", "endpoint": fake.url},
    }
    config.write_text(json.dumps({"destinations": destinations}))
    ran = run(*LIST)
    assert ran.code == 1 and "phoenix:home, phoenix:team" in ran.err
    named = run("projects", "list", "--from", "phoenix:team", "--json")
    assert [row["project"] for row in named.json] == ["team"]
