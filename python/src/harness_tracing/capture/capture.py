"""capture.sh for Windows agents that run hooks without a POSIX shell. Read that one first.

Same arguments, same files, same rules. A script of its own on the standard library, with as
few imports as can be: ``python -I -B capture.py AGENT EVENT``. The interpreter it runs with
is the worker's as well.
"""

# pathlib alone costs more than all the rest:
# ruff: noqa: PTH103, PTH108, PTH114, PTH116, PTH117, PTH118, PTH120

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing costs milliseconds
    from collections.abc import Mapping
    from typing import Callable, Optional

# Of each agent: the session's, the process's and the project's variable (no variable for the
# process: it is our parent), those that betray another agent, the session's key, and the events
# that end a turn or a session.
AGENTS: dict[
    str,
    tuple[Optional[str], Optional[str], Optional[str], tuple[str, ...], str, tuple[str, ...]],
] = {
    "claude-code": (
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_PID",
        "CLAUDE_PROJECT_DIR",
        ("CURSOR_VERSION", "COPILOT_CLI"),
        "session_id",
        ("Stop", "SessionEnd"),
    ),
    "codex": (None, None, None, (), "session_id", ("Stop", "SessionEnd")),
    "cursor": (None, None, None, (), "conversation_id", ("stop", "sessionEnd")),
}
# Cursor's key for the session: in a payload for another agent's hook it tells who runs it.
# Copilot and VS Code run Claude Code's hooks, and write what Claude Code does not.
FOREIGN_KEYS = ("conversation_id",)
FOREIGN_TO_CLAUDE = ("sessionId", "hookEventName", "timestamp")
COMMON = "_common"
HEAD_BYTES = 4096
SESSION_ID_LENGTH = 128
MOST_CLASHES = 100
LONGEST_WAIT_S = 600
POLL_S = 0.1
LETTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-")
WINDOWS = os.name == "nt"


def wanted(env: Mapping[str, str]) -> bool:
    """Whether anything is to be captured at all."""
    if env.get("HARNESS_UNTRACED", "0") not in ("", "0"):
        return False
    return env.get("ARIZE_TRACE_ENABLED", "").lower() not in ("0", "false", "no", "off")


def home_folder(env: Mapping[str, str], project: str) -> Optional[str]:
    """Our home, or None: absolute, and not from a project's own settings."""
    user_home = env.get("USERPROFILE" if WINDOWS else "HOME", "")
    named = env.get("ARIZE_HARNESS_HOME", "")
    if named.startswith(("~/", "~\\")):
        named = os.path.join(user_home, named[2:])
    if os.path.isabs(named) and not set_by_project(project, b"ARIZE_HARNESS_HOME"):
        return named if is_ours(named) else None
    return os.path.join(user_home, ".arize", "harness") if os.path.isabs(user_home) else None


def is_ours(path: str) -> bool:
    """Whether a file or folder is this user's, or not there yet."""
    try:
        return WINDOWS or os.stat(path).st_uid == os.geteuid()
    except OSError:
        return True


def may_be_filled(home: str, folder: str) -> bool:
    """Whether a session's folder is ours: a link in its place was put there by somebody else."""
    while folder != home:
        if os.path.islink(folder) or not is_ours(folder):
            return False
        folder = os.path.dirname(folder)
    return True


def set_by_project(project: str, variable: bytes) -> bool:
    """Whether a variable may come from a cloned project's settings."""
    if not project:
        return False
    for name in ("settings.json", "settings.local.json"):
        try:
            with open(os.path.join(project, ".claude", name), "rb") as file:
                text = file.read()
        except OSError:
            continue
        if variable in text or b"\\u" in text:
            return True
    return False


def first_key(payload: bytes, keys: tuple[str, ...]) -> Optional[tuple[str, str]]:
    """The first of these keys in the payload's beginning, and its value."""
    words = payload[:HEAD_BYTES].split(b'"')
    wanted_words = [key.encode() for key in keys]
    for at in range(len(words) - 2):
        if words[at] in wanted_words and words[at + 1].strip() == b":":
            return words[at].decode(), words[at + 2].decode("utf-8", "replace")
    return None


def session_of(found: str) -> str:
    """The session id as the name of a folder: itself if it is fit for a path."""
    if not found or found.startswith((".", "_")) or len(found) > SESSION_ID_LENGTH:
        return COMMON
    return found if LETTERS.issuperset(found) else COMMON


def write_event(folder: str, name: str, payload: bytes) -> str:
    """Write the payload once, never over another; returns the file's path."""
    for attempt in range(MOST_CLASHES):
        path = os.path.join(folder, f"{name}.{attempt}" if attempt else name)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            fd = os.open(path, flags, 0o600)
        except (FileExistsError, FileNotFoundError):
            continue
        with os.fdopen(fd, "wb") as file:
            file.write(payload)
        return path
    raise FileExistsError(path)


def worker_lives(folder: str) -> bool:
    """Whether a worker keeps its pid file ahead of now (on Windows os.kill would end it)."""
    pid_file = os.path.join(folder, "worker.pid")
    try:
        if os.stat(pid_file).st_mtime <= time.time():
            return False
        if not WINDOWS:
            with open(pid_file, encoding="ascii") as file:
                os.kill(int(file.read()), 0)
    except (OSError, ValueError):
        return False
    return True


def start_detached(words: list[str], cwd: str, env: Mapping[str, str]) -> None:
    """Start a process that outlives us and holds none of our streams."""
    import subprocess

    def start(flags: int = 0) -> None:
        subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=flags,
        )

    if sys.platform == "win32":
        apart = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            start(apart | subprocess.CREATE_BREAKAWAY_FROM_JOB)
        except PermissionError:  # the agent's job object does not let us leave it
            start(apart)
    else:
        start()


def capture(agent: str, event: str, env: Mapping[str, str], read: Callable[[], bytes]) -> None:
    """Capture one event; `read` gives the payload."""
    if agent not in AGENTS or not wanted(env):
        return
    session_variable, pid_variable, project_variable, foreign, key, ends = AGENTS[agent]
    named = _value(env, session_variable)
    home = home_folder(env, _value(env, project_variable))
    elsewhere = any(env.get(name) for name in foreign)
    if home is None or (elsewhere and not named):
        return
    payload = read()
    if elsewhere or not named:
        others = FOREIGN_KEYS + (FOREIGN_TO_CLAUDE if agent == "claude-code" else ())
        found, value = first_key(payload, (key, *others)) or (key, "")
        # Another agent within Claude Code, or the other way round, hands on variables.
        if found != key or (named and value and value != named):
            return
        named = named or value
    session = session_of(named)
    pid = _value(env, pid_variable) if pid_variable else _parent()
    pid = pid if pid.isdecimal() and pid.isascii() else "0"
    folder = os.path.join(home, "spool", agent, session)
    if not may_be_filled(home, folder):
        return
    write_event(folder, f"{event}.{pid}.{os.getpid()}", payload)
    lived = worker_lives(folder)
    if not lived:
        words = [sys.executable, "-I", "-m", "harness_tracing.worker"]
        words += ["--home", home, "--agent", agent, "--session", session]
        start_detached(words, home, env)
    wait_s = wanted_wait_s(env, _value(env, project_variable)) if event in ends else 0
    if wait_s:
        wait_for_delivery(folder, wait_s, lived)


def wanted_wait_s(env: Mapping[str, str], project: str) -> int:
    """How many seconds the end of a turn or session waits for its delivery."""
    digits = env.get("ARIZE_EXPORT_WAIT_S", "")
    if not (digits.isascii() and digits.isdecimal()):
        return 0
    # Python refuses to convert very long ones.
    wait_s = min(int(digits), LONGEST_WAIT_S) if len(digits) < 4 else LONGEST_WAIT_S
    return 0 if wait_s and set_by_project(project, b"ARIZE_EXPORT_WAIT_S") else wait_s


def wait_for_delivery(folder: str, wait_s: int, lived: bool) -> None:
    """Ask the worker to deliver what is final, and wait until it has or says why it cannot.

    `lived`: there was a worker before this event. One that leaves has done what it could.
    """
    request = os.path.join(folder, f"flush.wait.{os.getpid()}")
    gone, until = 0, time.monotonic() + wait_s
    with open(request, "wb"):
        pass
    try:
        while time.monotonic() < until and os.stat(request).st_size == 0:
            if worker_lives(folder):
                lived, gone = True, 0
            elif lived:
                # Twice in a row: between leaving and staying on it is away for a moment.
                gone += 1
                if gone == 2:
                    break
            time.sleep(POLL_S)
        os.unlink(request)
    except FileNotFoundError:
        return


def _value(env: Mapping[str, str], variable: Optional[str]) -> str:
    return env.get(variable, "") if variable else ""


def _parent() -> str:
    # On Windows a shell of the agent's stands between, which is gone in a moment.
    return "0" if WINDOWS else str(os.getppid())


def _log_failure(env: Mapping[str, str]) -> None:
    """Leave a traceback where `harness doctor` looks; a hook never shows one."""
    import traceback

    home = home_folder(env, "")
    if home is None:
        return
    logs = os.path.join(home, "logs")
    try:
        os.makedirs(logs, mode=0o700, exist_ok=True)
        with open(os.path.join(logs, "capture.log"), "a", encoding="utf-8") as file:
            file.write(traceback.format_exc())
    except OSError:
        return  # nothing can be written: there is nobody left to tell


def main() -> None:
    """Run as the registered command: silent, exit 0, whatever happens."""
    os.umask(0o077)
    env = os.environ
    try:
        # A closed input leaves name and time.
        capture(
            sys.argv[1], sys.argv[2], env, lambda: sys.stdin.buffer.read() if sys.stdin else b""
        )
    except Exception:
        _log_failure(env)


if __name__ == "__main__":
    main()
