"""Tracing of the Agent SDK, as far as it needs no SDK: the plugin that is made for programs."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from harness_tracing import agents
from harness_tracing.agents.registration import agent_of
from harness_tracing.claude_agent_sdk import plugin_folder, traced_options, tracing_hooks
from harness_tracing.errors import ConfigError, PackageMissingError

SOURCE = Path(__file__).resolve().parents[1] / "python" / "src"
PRINT_FOLDER = (
    "import os, harness_tracing.claude_agent_sdk as sdk; print(sdk.plugin_folder(os.environ))"
)


def env_of(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


def commands(folder: Path) -> dict[str, str]:
    """The line of each event in a plugin's folder."""
    hooks = json.loads((folder / "hooks" / "hooks.json").read_text("utf-8"))["hooks"]
    return {event: groups[0]["hooks"][0]["command"] for event, groups in hooks.items()}


def made_by(words: list[str], home: Path, **env: str) -> tuple[Path, str]:
    """The folder that a Python of its own makes, and what it says."""
    done = subprocess.run(
        words, env={**env_of(home), **env}, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip()), done.stderr


def test_the_plugin_has_our_hooks_and_is_ours_alone(tmp_path: Path) -> None:
    folder = plugin_folder(env_of(tmp_path))
    assert list(commands(folder)) == [event.name for event in agents.get("claude-code").events]
    assert {agent_of(line) for line in commands(folder).values()} == {"claude-code"}
    assert json.loads((folder / ".claude-plugin" / "plugin.json").read_text("utf-8"))["name"]
    home = tmp_path / ".arize" / "harness"
    for each in (home, home / "agent-sdk"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]


def test_the_plugins_lines_capture(tmp_path: Path) -> None:
    line = commands(plugin_folder(env_of(tmp_path)))["Stop"]
    session = {"CLAUDE_CODE_SESSION_ID": "s-1", "CLAUDE_PID": "7", "HARNESS_UNTRACED": "0"}
    payload = b'{"session_id": "s-1"}'
    # A home in which a worker is said to be at work, so that none is started.
    spool = tmp_path / ".arize" / "harness" / "spool" / "claude-code" / "s-1"
    spool.mkdir(parents=True, mode=0o700)
    (spool / "worker.pid").write_text(f"{os.getpid()}\n")
    ahead = 4_000_000_000
    os.utime(spool / "worker.pid", (ahead, ahead))
    env = {**env_of(tmp_path), **session}
    done = subprocess.run(["sh", "-c", line], input=payload, env=env, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (file,) = spool.glob("Stop.7.*")
    assert file.read_bytes() == payload


def test_it_is_made_once(tmp_path: Path) -> None:
    folder = plugin_folder(env_of(tmp_path))
    made = (folder / "hooks" / "hooks.json").stat().st_mtime_ns
    assert plugin_folder(env_of(tmp_path)) == folder
    assert (folder / "hooks" / "hooks.json").stat().st_mtime_ns == made


def test_what_was_lost_of_it_comes_back(tmp_path: Path) -> None:
    folder = plugin_folder(env_of(tmp_path))
    (folder / "hooks" / "hooks.json").unlink()
    assert plugin_folder(env_of(tmp_path)) == folder
    assert commands(folder)


def test_many_programs_at_once_make_one(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PRINT_FOLDER]
    running = [subprocess.Popen(words, env=env_of(tmp_path), stdout=-1, text=True) for _ in "1234"]
    said = {process.communicate()[0].strip() for process in running}
    (folder,) = said
    assert commands(Path(folder))
    assert [path.name for path in Path(folder).parent.iterdir()] == [Path(folder).name]


def test_it_lies_where_the_environment_of_hooks_says(tmp_path: Path) -> None:
    env = {**env_of(tmp_path), "ARIZE_HARNESS_HOME": str(tmp_path / "else where")}
    assert plugin_folder(env).parent == tmp_path / "else where" / "agent-sdk"


def test_a_broken_configuration_keeps_no_session_from_being_captured(tmp_path: Path) -> None:
    config = tmp_path / ".arize" / "harness" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("enabled: [")
    assert plugin_folder(env_of(tmp_path)).is_dir()


def test_without_a_home_it_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="set it to your home folder"):
        plugin_folder({})


def test_a_python_that_cannot_run_the_worker_leaves_it_to_the_installed_one(
    tmp_path: Path,
) -> None:
    """As with PYTHONPATH, a user site or without our dependencies: hooks start Python with -I."""
    base = Path(sys.base_prefix) / "bin" / "python3"
    path = f"{SOURCE}:{sysconfig.get_path('purelib')}"
    folder, said = made_by([str(base), "-c", PRINT_FOLDER], tmp_path, PYTHONPATH=path)
    assert not any("python" in line.split("capture.sh")[1] for line in commands(folder).values())
    assert "harness bootstrap" in said


def test_a_frozen_program_is_never_started_in_place_of_a_python(tmp_path: Path) -> None:
    frozen = f"import sys; sys.frozen = True; {PRINT_FOLDER}"
    folder, _ = made_by([sys.executable, "-c", frozen], tmp_path)
    assert not any(sys.executable in line for line in commands(folder).values())
    assert folder != plugin_folder(env_of(tmp_path))


@pytest.mark.skipif(
    importlib.util.find_spec("claude_agent_sdk") is not None, reason="the SDK is installed here"
)
@pytest.mark.parametrize("function", [traced_options, tracing_hooks])
def test_without_the_sdk_the_error_says_how_to_get_it(function: object) -> None:
    assert callable(function)
    with pytest.raises(PackageMissingError, match="pip install claude-agent-sdk"):
        function()
    with pytest.raises(ImportError):
        function()


def test_importing_it_is_light() -> None:
    code = "import sys, harness_tracing.claude_agent_sdk; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    heavy = {"claude_agent_sdk", "msgspec", "opentelemetry", "psutil", "ruamel", "sqlite3"}
    assert not heavy & {name.split(".")[0] for name in loaded}


def test_the_documentation_has_the_lines_that_the_typescript_test_runs() -> None:
    root = Path(__file__).resolve().parents[1]
    page = (root / "docs" / "claude-agent-sdk.md").read_text("utf-8")
    block = page.split("```js\n")[1].split("```")[0].splitlines()
    program = (root / "tests/e2e/sdk/typescript/app.mjs").read_text("utf-8").splitlines()
    assert len(block) > 10
    assert [line for line in program if line in block] == block
