"""The real Codex (npm) against a scripted Responses API: turns, trust, plugin."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

import pytest

from checkout import ROOT
from claude_client import wait_until
from codex_client import BYPASS, CODEX, Codex, interrupt
from codex_scripts import RESPONSES
from harness_tracing.agents.codex.trust import content_hash_of, trust
from scripted_responses import Server
from tracer import Tree

pytestmark = pytest.mark.skipif(
    not CODEX.exists(), reason=f"no Codex at {CODEX}: run `make setup-e2e`"
)


@pytest.fixture
def server() -> Iterator[Server]:
    """The scripted model."""
    with Server(RESPONSES) as server:
        yield server


@pytest.fixture
def codex(tmp_path: Path, server: Server) -> Codex:
    """A home in which our hooks are registered."""
    codex = Codex(tmp_path / "home", server.url)
    codex.harness("install", "codex")
    return codex


def different(tree: Tree, server: Server, markers: Sequence[str]) -> Iterator[str]:
    """How a tree differs from what the server answered to these scripts."""
    answered = [each for each in server.log if each["marker"] in markers]
    for each in answered:
        calls = [span for span in tree.of_type("model_call") if each["id"] in span.texts]
        if not each["whole"]:
            continue
        if len(calls) != 1:
            yield f"{each['id']}: {len(calls)} spans"
            continue
        counted = (calls[0]["llm.token_count.prompt"], calls[0]["llm.token_count.completion"])
        if counted != (each["usage"]["input"], each["usage"]["output"]):
            yield f"{each['id']}: tokens {counted}, sent {each['usage']}"
        for tool in each["tools"]:
            if tree.tool(tool["id"]) is None:
                yield f"{each['id']}: no span for {tool['id']}"
    whole = [each for each in answered if each["whole"]]
    good = [s for s in tree.of_type("model_call") if s.json["status_code"] != "ERROR"]
    if len(good) != len(whole):
        yield f"{len(good)} model calls, {len(whole)} answers"


def traced(codex: Codex, server: Server, thread: str, turns: Sequence[str], *markers: str) -> Tree:
    """The thread's tree, after it was found equal to what the server answered."""
    tree = Tree(codex.spans(thread))
    assert [turn["harness.turn.status"] for turn in tree.turns] == list(turns)
    assert list(different(tree, server, markers)) == []
    ids = [span.id for span in tree.spans]
    assert len(ids) == len(set(ids))
    return tree


def statuses(tree: Tree, server: Server, marker: str) -> list[Optional[str]]:
    """The statuses of the tools that a script asked for, in its order."""
    asked = [
        tool["id"] for each in server.log if each["marker"] == marker for tool in each["tools"]
    ]
    spans = [tree.tool(tool_id) for tool_id in asked]
    return [span["harness.tool.status"] if span else None for span in spans]


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("simple", []),
        ("tool_cycle", ["ok", "ok", "ok"]),
        ("parallel", ["ok", "ok", "error"]),
        ("failing", ["error", "error", "error"]),
    ],
)
def test_a_turn_is_what_the_model_said(
    codex: Codex, server: Server, marker: str, expected: list[str]
) -> None:
    thread = codex.exec(f"Please. [[{marker}]]")
    tree = traced(codex, server, thread, ["completed"], marker)
    assert statuses(tree, server, marker) == expected


def test_code_mode_shows_the_calls_below_their_cell(codex: Codex, server: Server) -> None:
    codex.model = "gpt-6-sol"
    codex.configure()
    thread = codex.exec("Please. [[code_mode]]")
    tree = traced(codex, server, thread, ["completed"], "code_mode")
    (cell,) = [tool for each in server.log for tool in each["tools"]]
    below = [span for span in tree.of_type("tool") if tree.parent(span) == tree.tool(cell["id"])]
    assert [span["harness.tool.status"] for span in below] == ["ok", "error"]


@pytest.mark.parametrize(
    ("features", "marker"),
    [("", "delegates"), ("multi_agent_v2 = true", "delegates_v2")],
    ids=["v1", "v2"],
)
def test_a_sub_agent_is_below_the_call_that_started_it(
    codex: Codex, server: Server, features: str, marker: str
) -> None:
    codex.features = features
    codex.configure()
    thread = codex.exec(f"Please. [[{marker}]]")
    tree = traced(codex, server, thread, ["completed"], marker, "child")
    (agent,) = tree.of_type("subagent")
    parent = tree.parent(agent)
    assert parent is not None and parent["tool.id"] == server.log[0]["tools"][0]["id"]
    of_child = {each["id"] for each in server.log if each["marker"] == "child"}
    calls = [span for span in tree.of_type("model_call") if of_child & span.texts]
    assert len(calls) == 2 and all(agent in list(tree.above(span)) for span in calls)
    assert [session["session_id"] for session in codex.sessions()] == [thread]


def test_a_compaction_is_counted_once(codex: Codex, server: Server) -> None:
    codex.extra = "model_auto_compact_token_limit = 20000"
    codex.configure()
    thread = codex.exec("Please. [[compaction]]")
    tree = traced(codex, server, thread, ["completed"], "compaction")
    moments = [span for span in tree.of_type("moment") if "ompact" in str(span.json["name"])]
    assert len(moments) == 1


def test_an_error_of_the_api_fails_the_turn(codex: Codex, server: Server) -> None:
    thread = codex.exec("Please. [[error]]")
    tree = traced(codex, server, thread, ["failed"], "error")
    assert tree.turns[0].json["status_code"] == "ERROR"


@pytest.mark.parametrize("marker", ["slow", "hanging"])
def test_an_interrupted_turn_is_told_as_such(codex: Codex, server: Server, marker: str) -> None:
    process = codex.start("exec", "--json", *BYPASS, f"Please. [[{marker}]]")
    wait_until(lambda: server.log)
    time.sleep(2)
    interrupt(process)
    process.communicate(timeout=30)
    (session,) = codex.sessions()
    tree = Tree(codex.spans(session["session_id"]))
    assert [turn["harness.turn.status"] for turn in tree.turns] == ["interrupted"]
    assert [span["harness.tool.status"] for span in tree.of_type("tool")] == (
        ["interrupted"] if marker == "slow" else []
    )


def test_a_resumed_thread_is_one_session(codex: Codex, server: Server) -> None:
    thread = codex.exec("Please. [[simple]]")
    codex.exec("resume", thread, "More. [[again]]")
    traced(codex, server, thread, ["completed", "completed"], "simple", "again")


def test_within_claude_code_it_is_a_codex_session(codex: Codex, server: Server) -> None:
    thread = codex.exec(
        "Please. [[simple]]", CLAUDE_CODE_SESSION_ID="c-1", CLAUDE_PID="1", CURSOR_VERSION="2.7"
    )
    traced(codex, server, thread, ["completed"], "simple")
    assert [session["agent"] for session in codex.sessions()] == ["codex"]


# --- trust ---------------------------------------------------------------------------------


def state(codex: Codex) -> str:
    """What `harness install` says of Codex's trust."""
    said = codex.harness("install", "codex").stderr
    found = re.search(r"^Codex: ([a-z ]+)\.", said, re.MULTILINE)
    assert found, said
    return found[1]


def trust_states(codex: Codex) -> set[str]:
    return {hook["trustStatus"] for hook in codex.hooks()}


def test_each_state_of_trust_is_told_as_codex_has_it(codex: Codex, server: Server) -> None:
    config = codex.folder / "config.toml"
    before = config.read_bytes()
    assert (trust_states(codex), state(codex)) == ({"untrusted"}, "untrusted")
    assert config.read_bytes() == before, "trust is the user's to give"
    codex.exec("Please. [[simple]]", bypass=False)
    assert codex.sessions() == [], "Codex runs no hook that it does not trust"

    codex.trust_hooks()
    assert (trust_states(codex), state(codex)) == ({"trusted"}, "trusted")
    thread = codex.exec("Please. [[simple]]", bypass=False)
    assert [session["session_id"] for session in codex.sessions()] == [thread]

    hooks = json.loads((codex.folder / "hooks.json").read_bytes())
    mine = {"hooks": [{"type": "command", "command": "true"}]}
    hooks["hooks"]["Stop"].insert(0, mine)
    (codex.folder / "hooks.json").write_text(json.dumps(hooks))
    assert (trust_states(codex), state(codex)) == ({"trusted", "untrusted"}, "trust lost")

    codex.harness("uninstall", "codex")
    assert codex.hooks() == []
    left = json.loads((codex.folder / "hooks.json").read_bytes())
    assert left["hooks"] == {"Stop": [mine]}


def test_trust_is_lost_with_a_change_of_the_time_limit(codex: Codex) -> None:
    codex.trust_hooks()
    path = codex.folder / "hooks.json"
    path.write_text(path.read_text().replace('"timeout": 3', '"timeout": 2', 1))
    assert trust_states(codex) == {"trusted", "modified"}
    assert trust(codex.folder).state == "trust lost"


@pytest.fixture
def plugin(tmp_path: Path, server: Server) -> Codex:
    """A home with our plugin, as Codex installs it."""
    codex = Codex(tmp_path / "home", server.url)
    for words in (
        ("marketplace", "add", str(ROOT)),
        ("add", "codex-tracing@coding-harness-tracing"),
    ):
        done = codex.start("plugin", *words)
        assert done.wait(60) == 0, done.communicate()
    return codex


def plugin_folder(codex: Codex) -> Path:
    (found,) = (codex.folder / "plugins" / "cache").glob("*/codex-tracing/*")
    return found


def test_the_plugin_traces_and_its_folder_stays_as_it_is(plugin: Codex, server: Server) -> None:
    assert trust(plugin.folder).state == "untrusted"
    plugin.trust_hooks()
    assert trust(plugin.folder).state == "trusted"
    before = _digest(plugin_folder(plugin))
    thread = plugin.exec("Please. [[tool_cycle]]", bypass=False)
    traced(plugin, server, thread, ["completed"], "tool_cycle")
    assert _digest(plugin_folder(plugin)) == before
    assert trust_states(plugin) == {"trusted"}


def test_a_change_in_the_plugins_folder_is_told_as_codex_has_it(plugin: Codex) -> None:
    folder = plugin_folder(plugin)

    def content() -> set[str]:
        return {hook["currentHash"].partition("/")[2] for hook in plugin.hooks()}

    plugin.trust_hooks()
    assert content() == {content_hash_of(folder)}
    (folder / "vendor" / "__pycache__").mkdir()
    (folder / "vendor" / "__pycache__" / "x.pyc").touch()
    assert (trust_states(plugin), trust(plugin.folder).state) == ({"trusted"}, "trusted")
    # Codex orders by parts of a path: this one comes behind all in `vendor`.
    (folder / "vendor-x").write_text("new")
    assert (trust_states(plugin), trust(plugin.folder).state) == ({"modified"}, "trust lost")
    assert content() == {content_hash_of(folder)}
    plugin.trust_hooks()
    assert (trust_states(plugin), trust(plugin.folder).state) == ({"trusted"}, "trusted")
    (folder / "link").symlink_to("README.md")
    assert (plugin.hooks(), trust(plugin.folder).state) == ([], "trust lost")


def _digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
