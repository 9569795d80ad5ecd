"""A Stop hook: code that was changed is checked before the agent says that it is done.

It blocks once when code was changed in this turn and the gate did not pass after that. It lets go
when only prose was changed, when the gate's end cannot be told, and whenever anything is odd.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from harness_tracing.improve.hooks.reading import Call, one_line, payload, turn_of

# ---

GATE = ["make", "check"]

EDITORS = ("Edit", "MultiEdit", "Write", "NotebookEdit")
PROSE = re.compile(
    r"(?!.*(requirements|constraints|CMakeLists)[^/]*\.txt$).*\.(md|mdx|rst|txt|adoc|org)$"
    r"|(.*/)?(LICENSE|NOTICE|AUTHORS|CHANGELOG|README)[^/]*$",
    re.IGNORECASE,
)
LEFT_BEHIND = re.compile(
    r"(^|/)(__pycache__|node_modules|\.(pytest|mypy|ruff)_cache|\.hypothesis|\.tox|\.venv|\.git|"
    r"target|dist|build|coverage|htmlcov)(/|$)|\.(pyc|pyo|o|log|lock\.tmp)$|(^|/)\.coverage$"
)
HEREDOC = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1([^\n]*)\n.*?(?:\n[ \t]*\2[ \t]*(?=\n|$)|$)", re.S)
WRAPPERS = {"env", "time", "nice", "nohup", "command", "exec", "stdbuf", "npx", "bunx", "uvx"}
RUNNERS = {"uv", "poetry", "pipenv", "pdm", "rye", "hatch", "bundle"}
PACKAGE_RUNNERS = {"npm", "pnpm", "yarn", "bun"}
TARGET_RUNNERS = {"make", "gmake", "just", "task", "poe"}
KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{"}
LOOKS_ONLY = {"-n", "--dry-run", "--just-print", "-q", "--question", "-p", "--help", "-h", "--list"}
NARROWS = re.compile(r"(\w*ARGS|TESTS?|K|T|FILTER|ONLY|PYTEST_ADDOPTS|FILE|FILES)=.*", re.S)
WRITERS = {"cat", "echo", "printf"}


class Part(NamedTuple):
    """A simple command of a command line, with what stands before and behind it."""

    words: list[str]
    writes: list[str]
    before: str
    behind: str


def main() -> int:
    """The exit code: 2 keeps the agent at work, and it reads why on stderr."""
    told = payload("Stop")
    if not told or told.get("stop_hook_active") or told.get("agent_id"):
        return 0
    if told.get("background_tasks"):
        return 0
    calls, folder = turn_of(told["transcript_path"], told.get("prompt_id"))
    why = missing(calls, folder or os.environ.get("CLAUDE_PROJECT_DIR") or str(told.get("cwd")))
    if why is None:
        return 0
    sys.stderr.write(
        f"Not done yet: {why}. Run `{_gate_text()}`, mend what it finds, then finish. If it cannot"
        " pass, say so and why.\n"
    )
    return 2


def missing(calls: list[Call], folder: str) -> Optional[str]:
    """Why the turn is not done; None when it is, or when that cannot be told."""
    changed: Optional[str] = None
    gate: Optional[str] = None
    shell = folder
    for call in calls:
        read = _parts(call) if call.name == "Bash" and not call.denied else []
        parts = read or []
        path = changed_by(call, parts, shell, folder)
        if path is not None:
            changed, gate = path, None
        if call.name == "Bash" and not call.denied:
            ended, where = gate_in(call, parts, shell if call.of_main_agent else folder, folder)
            if read is None and " ".join(GATE) in str(call.asked.get("command")):
                ended = "unknown"
            in_order = path is None or _gate_comes_later(parts)
            gate = ended if ended is not None and in_order else gate
            if call.of_main_agent and "Shell cwd was reset to" not in call.text:
                shell = where
    if changed is None or gate in ("passed", "unknown"):
        return None
    shown = one_line(os.path.relpath(changed, folder) if os.path.isabs(changed) else changed)
    if gate == "failed":
        return f"`{_gate_text()}` did not pass after the last change ({shown})"
    return f"{shown} was changed, and `{_gate_text()}` did not run after that"


def _gate_text() -> str:
    return " ".join(map(shlex.quote, GATE))


# --- what was changed ---------------------------------------------------------------------------


def changed_by(call: Call, parts: list[Part], shell: str, folder: str) -> Optional[str]:
    """A file with code that a call changed, the last one; None for none that is certain."""
    if call.name in EDITORS:
        path = call.asked.get("file_path") or call.asked.get("notebook_path")
        found = [path] if isinstance(path, str) and not call.error else []
    elif call.name == "Bash" and not call.denied:
        found = [path for path in _written(call, parts, shell) if not _is_left_behind(path, folder)]
    else:
        found = []
    code = [path for path in found if is_code(path, folder)]
    return code[-1] if code else None


def is_code(path: str, folder: str) -> bool:
    """Whether a file can break the gate: no prose, and not outside of the project."""
    if PROSE.match(path):
        return False
    if os.path.isabs(path):
        return os.path.normpath(path).startswith(os.path.normpath(folder).rstrip("/") + "/")
    return not path.startswith(("~", "$"))


def _is_left_behind(path: str, folder: str) -> bool:
    inside = os.path.isabs(path) and path.startswith(folder.rstrip("/") + "/")
    return LEFT_BEHIND.search(path[len(folder.rstrip("/")) :] if inside else path) is not None


def _written(call: Call, parts: list[Part], shell: str) -> Iterator[str]:
    """The files that a command line wrote: as Claude Code saw it, else as its words tell."""
    noted = call.told.get("bashEditDiff")
    if isinstance(noted, dict):
        yield from _noted(noted)
        return
    if call.error:
        return
    for part in parts:
        name, rest = os.path.basename(part.words[0]) if part.words else "", part.words[1:]
        plain = [word for word in rest if not word.startswith("-")]
        found = part.writes if name in WRITERS else []
        if name in ("tee", "rm"):
            found = plain
        elif name in ("mv", "cp") or _edits_in_place(name, rest):
            found = plain[-1:]
        for path in found:
            if not path.startswith(("/dev/", "/proc/")):
                yield path if path.startswith("~") else os.path.join(shell, path)


def _edits_in_place(name: str, rest: list[str]) -> bool:
    return name in ("sed", "perl") and any(re.match(r"-\w*i", word) for word in rest)


def _noted(noted: dict[str, Any]) -> Iterator[str]:
    for key in ("files", "changedFiles"):
        listed = noted.get(key)
        for each in listed if isinstance(listed, list) else []:
            path = each.get("filePath") if isinstance(each, dict) else each
            if isinstance(path, str):
                yield path


# --- what was run -------------------------------------------------------------------------------


def gate_in(call: Call, parts: list[Part], shell: str, folder: str) -> tuple[Optional[str], str]:
    """How the gate ended in a command line (None: it is not in there), and where that left off."""
    ended: Optional[str] = None
    where: Optional[str] = shell
    for place, part in enumerate(parts):
        words = unwrapped(part.words)
        if words[:1] == ["cd"] and len(words) > 1:
            where = _joined(where, words[1])
        elif is_gate(words):
            if where is None:
                ended = "unknown"
            elif os.path.normpath(where) == os.path.normpath(folder):
                ended = _outcome(call, parts, place)
    return ended, where or shell


def _joined(where: Optional[str], to: str) -> Optional[str]:
    if where is None or to.startswith(("$", "~", "-")):
        return to if os.path.isabs(to) else None
    return os.path.normpath(os.path.join(where, to))


def _gate_comes_later(parts: list[Part]) -> bool:
    return not parts or not is_gate(unwrapped(parts[0].words))


def _outcome(call: Call, parts: list[Part], place: int) -> str:
    """What the status of the whole command line says of the command at a place."""
    if call.asked.get("run_in_background") or call.told.get("backgroundTaskId"):
        return "unknown"
    if re.search(r"^g?make(\[\d+\])?: \*\*\* |^npm (ERR!|error) ", call.text, re.M):
        return "failed"
    part, is_last = parts[place], place == len(parts) - 1
    odd = part.words[0] in KEYWORDS or part.before in ("||", "|", "|&")
    if call.told.get("returnCodeInterpretation") or odd:
        return "unknown"
    if call.error:
        return "failed" if is_last else "unknown"
    behind = [each.behind for each in parts[place:]]
    if all(each == "&&" for each in behind[:-1]) and behind[-1] in ("", ";", "\n"):
        return "passed"
    return "unknown"


def is_gate(words: list[str]) -> bool:
    """Whether these words run the gate, all of it."""
    gate = unwrapped(GATE) or GATE
    if not words:
        return False
    name, wanted = os.path.basename(words[0]), os.path.basename(gate[0])
    rest = words[1:]
    if wanted in TARGET_RUNNERS and (name == wanted or {name, wanted} <= {"make", "gmake"}):
        skips = LOOKS_ONLY & set(rest) or "-C" in rest or "-i" in rest
        return not skips and set(gate[1:]) <= set(rest) and not any(map(NARROWS.match, rest))
    if wanted in PACKAGE_RUNNERS and name in PACKAGE_RUNNERS:
        script, *more = _script(rest) or [""]
        return [script] == _script(gate[1:])[:1] and all(each.startswith("-") for each in more)
    if [name, *rest][: len(gate)] != [wanted, *gate[1:]]:
        return False
    return all(re.match(r"-[qvsx]+$|--\w[\w-]*$", word) for word in rest[len(gate) - 1 :])


def _script(words: list[str]) -> list[str]:
    named = [word for word in words if word not in ("run", "run-script", "--")]
    while named and named[0].startswith("-"):
        named = named[1:]
    return ["test" if named[0] in ("t", "tst") else named[0], *named[1:]] if named else []


def unwrapped(words: list[str]) -> list[str]:
    """The command behind keywords, assignments and wrappers."""
    for _ in range(8):
        name = os.path.basename(words[0]) if words else ""
        if name in KEYWORDS or re.match(r"[A-Za-z_]\w*=", name):
            words = words[1:]
        elif name in ("timeout", "gtimeout"):
            words = _after_options(words[1:])[1:]
        elif name in WRAPPERS:
            words = _after_options(words[1:])
        elif name in RUNNERS and words[1:2] in (["run"], ["exec"]):
            words = _after_options(words[2:])
        else:
            break
    return words


def _after_options(words: list[str]) -> list[str]:
    while words and (words[0].startswith("-") or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    return words


def _parts(call: Call) -> Optional[list[Part]]:
    """The simple commands of a command line; None for one that cannot be read."""
    text = call.asked.get("command")
    if not isinstance(text, str):
        return []
    text = HEREDOC.sub(lambda found: found[3] + "\n", text.replace("\\\n", " "))
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
        return list(_split(list(lexer)))
    except ValueError:
        return None


def _split(tokens: list[str]) -> Iterator[Part]:
    words: list[str] = []
    writes: list[str] = []
    before, comment, place = "", False, 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        if not set(token) <= set("();<>|&\n"):
            comment = comment or token.startswith("#")
            words += [] if comment else [token]
        elif comment and "\n" not in token:
            continue
        elif set(token) & set("<>"):
            if words and words[-1].isdigit():
                words.pop()
            if token.lstrip("&") in (">", ">>", ">|") and place < len(tokens):
                writes.append(tokens[place])
            place += 1
        else:
            comment, mark = False, token.strip("()") or ";"
            mark = mark.strip("\n") or "\n"
            if words:
                yield Part(words, writes, before, mark)
                words, writes = [], []
            before = mark
    if words:
        yield Part(words, writes, before, "")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:  # whatever is wrong here must not keep an agent from stopping
        sys.exit(0)
