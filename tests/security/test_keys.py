"""Keys stay in memory: no file, no process list and no output of ours ever holds one."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.backends import HANG, OtlpHttpStub, Received, Reply
from tests.delivery.arrivals import Home, end
from tests.worker.player import Recording, capture, play, recording, wait_for

# No rule for secrets knows these: they must not be anywhere to begin with.
KEYS = ("wholly-unremarkable-ax", "wholly-unremarkable-px", "wholly-unremarkable-ot")
PASSWORD = "wholly/unremarkable:password"
USER_FILES = ("config.yaml",)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home", {"ARIZE_VERBOSE": "true"})
    yield made
    end(made)


def echoing(status: int) -> Callable[[Received], Reply]:
    """A backend that says what it was shown, in every way it can."""

    def answer(received: Received) -> Reply:
        shown = " ".join(f"{name}={text}" for name, text in received.headers.items())
        headers = {"X-Echo": shown, "Location": f"http://127.0.0.1:9/?{quote(shown)}"}
        return Reply(status, f"you sent {shown}".encode(), "text/plain", headers)

    return answer


def variables(url: str) -> dict[str, str]:
    with_user = url.replace("http://", f"http://me:{quote(PASSWORD, safe='')}@")
    return {
        "ARIZE_API_KEY": KEYS[0],
        "ARIZE_SPACE_ID": "space-1",
        "ARIZE_OTLP_ENDPOINT": f"{url}/ax/v1",
        "PHOENIX_ENDPOINT": url.replace("127.0.0.1", "localhost") + "/px",
        "PHOENIX_API_KEY": KEYS[1],
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{with_user}/ot/v1/traces",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={KEYS[2]}",
    }


def secrets() -> list[bytes]:
    """Every way in which a secret may be written."""
    plain = [*KEYS, PASSWORD, f"me:{PASSWORD}"]
    spelled = [*plain, *(quote(each, safe="") for each in plain), *(each[::-1] for each in plain)]
    encoded = [b64encode(each.encode()).decode().rstrip("=") for each in plain]
    return [each.encode() for each in (*spelled, *encoded)]


def found_in(content: bytes) -> list[bytes]:
    return [secret for secret in secrets() if secret in content]


def assert_in_no_file(home: Home) -> None:
    """Raw bytes of everything below our home: store, write-ahead log, spool, logs."""
    files = [path for path in home.home.root.rglob("*") if path.is_file()]
    assert any("store.sqlite3" in path.name for path in files)
    leaks = {
        str(path.relative_to(home.home.root)): found
        for path in files
        if path.name not in USER_FILES and (found := found_in(path.read_bytes()))
    }
    assert not leaks


def said(home: Home, env: Mapping[str, str]) -> bytes:
    """All that our commands print about deliveries."""
    outputs = []
    for words in (
        ("flush", "--wait", "--timeout", "2", "--verify"),
        ("doctor",),
        ("doctor", "--json"),
        ("outbox", "list"),
        ("outbox", "list", "--json"),
        ("status", "--json"),
        ("flush", "--destination", "nobody"),
    ):
        done = home.harness(*words, **env)
        assert done.stdout or done.stderr
        outputs.append(done.stdout + done.stderr)
    return "\n".join(outputs).encode()


@pytest.mark.parametrize("status", [200, 302, 401])
def test_no_answer_of_a_backend_brings_a_key_into_a_file_or_an_output(
    home: Home, status: int
) -> None:
    with OtlpHttpStub(echoing(status)) as stub:
        env = variables(stub.base_url)
        home.env.update(env)
        capture(home, "tool_cycle")
        printed = said(home, {})

        shown = b"".join(str(request.headers).encode() for request in stub.requests)
        assert all(key.encode() in shown for key in KEYS), "the backend itself has to see them"
        assert found_in(printed) == []
        assert_in_no_file(home)


def test_a_workers_keys_are_in_no_file_and_no_process_list(home: Home) -> None:
    with OtlpHttpStub([HANG]) as stub:
        env = {**variables(stub.base_url), "OTEL_EXPORTER_OTLP_TIMEOUT": "20000"}
        play(Recording.ready(home, recording("tool_cycle"), longest_s=1.0), **env)
        wait_for(lambda: len(stub.requests) >= 3, "it is sending to all three")
        seen = b""
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen += path.read_bytes()
                except OSError:
                    continue
        assert str(home.home.root).encode() in seen, "our process is in the list"
        assert found_in(seen) == []
        assert_in_no_file(home)
        assert found_in(home.log().encode()) == []


def test_config_yaml_with_a_key_in_the_wrong_place_is_not_repeated(home: Home) -> None:
    home.home.root.mkdir(parents=True)
    for text in (
        f"destinations:\n  ax: {KEYS[0]}\n",
        f"destinations:\n  otlp:\n    endpoint: {KEYS[0]}\n",
        f"destinations:\n  otlp:\n    endpoint: http://h:1\n    headers: {KEYS[0]}\n",
        f"destinations:\n  phoenix:\n    endpoint: http://h:1\n    api_key: 'two {KEYS[0]}'\n",
        f"destinations:\n  phoenix:\n    endpoint: http://h:1/?key={KEYS[0]}\n",
    ):
        home.home.config.write_text(text, encoding="utf-8")
        for words in (("doctor",), ("flush", "--wait", "--timeout", "1"), ("outbox", "list")):
            done = home.harness(*words)
            assert found_in((done.stdout + done.stderr).encode()) == [], (text, words)
