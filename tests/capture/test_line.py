"""The registered line, and what it does when our files are gone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness_tracing import agents, capture
from harness_tracing.capture import CAPTURE_SH, hook_command
from harness_tracing.capture import capture as capture_py
from tests import golden
from tests.capture.hooks import SESSION, Hook, Place, payload

NAMED = {"CLAUDE_CODE_SESSION_ID": SESSION}


def test_the_line_names_agent_event_capture_and_interpreter() -> None:
    line = hook_command("claude-code", "Stop", "/opt/a b/python", "/x/it's/capture.sh")
    assert line == (
        "set -- claude-code Stop '/x/it'\"'\"'s/capture.sh' '/opt/a b/python'; "
        'exec >/dev/null 2>&1; command . "$3" || :'
    )


def test_a_variable_of_the_agents_is_left_to_the_shell() -> None:
    line = hook_command("claude-code", "Stop", None, "${CLAUDE_PLUGIN_ROOT}/capture.sh")
    assert line.startswith('set -- claude-code Stop "${CLAUDE_PLUGIN_ROOT}/capture.sh";')


def test_windows_runs_capture_py_with_the_interpreter() -> None:
    line = hook_command("claude-code", "Stop", r"C:\Py thon\python.exe", r"C:\h\capture.py")
    assert line == r'"C:\Py thon\python.exe" -I -B "C:\h\capture.py" claude-code Stop'
    with pytest.raises(ValueError, match="interpreter"):
        hook_command("claude-code", "Stop", None, r"C:\h\capture.py")


WINDOWS = (
    (r"C:\Users\ada", "plain"),
    (r"C:\Users\Ada Lovelace", "space"),
    (r"C:\Users\ada\\", "backslashes at the end"),
    (r"\\server\share\ada", "share"),
    (r"D:\R&D (new)\100%", "signs of cmd's"),
    (r"C:\Users\Ädä", "letters"),
)


def as_the_c_runtime_does(line: str) -> list[str]:
    """A Windows command line taken apart: backslashes count in front of quotes only."""
    words, word, quoted, slashes, seen = [], "", False, 0, False
    for sign in line + " ":
        if sign == "\\":
            slashes += 1
            continue
        if sign == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted, seen = not quoted, True
        elif sign == " " and not quoted:
            word += "\\" * slashes
            words, word, seen = words + [word] * bool(word or seen), "", False
        else:
            word += "\\" * slashes + sign
        slashes = 0
    return words


def test_lines_for_windows_come_apart_as_they_were_put_together() -> None:
    shown = []
    for home, name in WINDOWS:
        python = rf"{home}\.arize\harness\current\Scripts\python.exe"
        script = rf"{home}\.arize\harness\capture\capture.py"
        line = hook_command("claude-code", "Stop", python, script)
        assert as_the_c_runtime_does(line) == [python, "-I", "-B", script, "claude-code", "Stop"]
        bash = subprocess.check_output(["bash", "-c", f"printf '%s\\n' {line}"], text=True)
        # Of a share's two backslashes bash takes one: no home of ours can be there.
        assert bash.splitlines()[0] == python.replace("\\\\", "\\")
        shown.append(f"{name}\n    {line}\n")
    golden.check("install/windows-lines", "".join(shown))


def test_a_line_with_a_shell_of_its_own_is_one_simple_command() -> None:
    line = hook_command("codex", "Stop", "/opt//a b/python", "/x//capture.sh", own_shell=True)
    assert line == (
        "exec /bin/sh -c 'exec >/dev/null 2>&1; command . \"$3\" || :' "
        "harness codex Stop /x/capture.sh '/opt/a b/python'"
    )


def test_the_plugin_folder_may_have_any_name(shell: Hook, place: Place) -> None:
    plugin = place.root / 'plug in\'s "own" $HOME'
    plugin.mkdir()
    (plugin / "capture.sh").write_bytes(CAPTURE_SH.read_bytes())
    line = hook_command("claude-code", "Stop", "/bin/true", "${CLAUDE_PLUGIN_ROOT}/capture.sh")
    env = place.environ(CLAUDE_PLUGIN_ROOT=str(plugin), **NAMED)
    shell.run(payload(), env, before=line + "; ", capture=Path("/nowhere"))
    assert place.event() == payload()


def test_a_missing_capture_is_silent(shell: Hook, place: Place) -> None:
    shell.run(payload(), place.environ(**NAMED), capture=Path("/nowhere/capture.sh"))
    assert place.everything() == []


def test_a_deleted_plugin_is_silent(shell: Hook, place: Place) -> None:
    line = hook_command("claude-code", "Stop", None, "${CLAUDE_PLUGIN_ROOT}/capture.sh")
    shell.run(payload(), place.environ(**NAMED), before=line + "; ", capture=Path("/nowhere"))
    assert place.everything() == []


@pytest.mark.parametrize("tenth", range(10))
def test_a_capture_cut_anywhere_is_silent(shell: Hook, place: Place, tenth: int) -> None:
    whole = CAPTURE_SH.read_bytes()
    cut = place.root / "capture.sh"
    for extra in range(0, len(whole) // 10, 97):
        cut.write_bytes(whole[: tenth * len(whole) // 10 + extra])
        shell.run(payload(), place.environ(**NAMED), capture=cut)


def test_the_shell_goes_on_after_the_line(shell: Hook, place: Place) -> None:
    mark = place.root / "mark"
    for file in (CAPTURE_SH, Path("/nowhere/capture.sh")):
        shell.run(payload(), place.environ(**NAMED), capture=file, after=f"; echo on >{mark}")
        assert mark.read_text() == "on\n"
        mark.unlink()


def facts_of(agent: str) -> str:
    """What capture.sh knows about an agent."""
    found = re.search(rf"^{agent}\)\n(.*?)    ;;$", CAPTURE_SH.read_text(), re.M | re.S)
    assert found, f"capture.sh knows nothing of {agent}"
    return found[1]


@pytest.mark.parametrize("name", agents.names())
def test_capture_knows_the_facts_of_every_agents_descriptor(name: str) -> None:
    agent = agents.get(name)
    session, pid, _, foreign, key, ends = capture_py.AGENTS[name]
    assert (session, pid, foreign, key) == (
        agent.session_variable,
        agent.pid_variable,
        agent.foreign_variables,
        agent.session_key,
    )
    assert ends == tuple(event.name for event in agent.events if event.ends)
    facts = [line.strip() for line in facts_of(name).splitlines()]
    named = agent.session_variable
    assert (f"h_session=${{{named}-}}" if named else "h_session=") in facts
    assert (f"h_pid=${{{agent.pid_variable}-}}" if agent.pid_variable else "h_pid=$PPID") in facts
    assert f"h_ends='{' '.join(ends)}'" in facts
    assert "h_foreign=" + "".join(f"${{{v}-}}" for v in agent.foreign_variables) in facts
    assert f"h_key={agent.session_key}" in facts


def test_the_scripts_of_capture_lie_beside_it() -> None:
    assert capture.CAPTURE_SH.is_file()
    assert capture.CAPTURE_PY.is_file()
    assert CAPTURE_SH.with_name("bootstrap.sh").is_file()
    assert CAPTURE_SH.with_name("wait.sh").is_file()


@pytest.mark.parametrize("script", ["capture.sh", "bootstrap.sh", "wait.sh"])
def test_the_scripts_pass_every_shells_parser(shell: Hook, script: str) -> None:
    file = CAPTURE_SH.with_name(script)
    words = [shell.kind, *(["sh"] if "busybox" in shell.kind else [])]
    subprocess.run([*words, "-n", str(file)], check=True)
