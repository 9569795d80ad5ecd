"""Tracing of programs that drive Claude Code by the Claude Agent SDK (Python, 0.2).

    from harness_tracing.claude_agent_sdk import traced_options

    async for message in query(prompt="…", options=traced_options(cwd="/srv/app")): ...

The SDK starts Claude Code as a process of its own. So a session is traced as any other of Claude
Code's is: by hooks of a plugin, which this module makes below our home for the installation it
belongs to. The SDK itself is imported when it is needed; it is no dependency of ours.

This is an outermost edge, as the command line is: it reads the process's own environment.
Nothing that goes wrong with tracing reaches the program, but as a warning in its log.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, get_args

from harness_tracing.errors import ConfigError, PackageMissingError, TracerError
from harness_tracing.paths import Home

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, HookMatcher

    from harness_tracing.agents.base import Agent

__all__ = ["plugin_folder", "traced_options", "tracing_hooks"]

AGENT = "claude-code"
PLUGIN = "harness-tracing"
CAPTURE_TIMEOUT_S = 660
MOST_SESSIONS = 1024
_LOG = logging.getLogger(__name__)


def traced_options(
    options: Optional[ClaudeAgentOptions] = None,
    *,
    project: Optional[str] = None,
    user_id: Optional[str] = None,
    **fields: Any,
) -> ClaudeAgentOptions:
    """The options with our plugin added, for `query()` and `ClaudeSDKClient` alike.

    What is in `options` stays as it is: its own plugins, hooks, settings and variables come
    first; `fields` are further fields of `ClaudeAgentOptions`, set as given. `project` and
    `user_id` go into its `env` as ``ARIZE_PROJECT_NAME`` and ``ARIZE_USER_ID``, unless these are
    there. Options that hold a plugin of ours already get no second one.

    Raises PackageMissingError when the SDK is not installed. Where the plugin cannot be made
    (a home that cannot be written) the log says so, and the session goes untraced.
    """
    sdk = _sdk()
    options = replace(options, **fields) if options else sdk.ClaudeAgentOptions(**fields)
    assert options is not None
    named = {"ARIZE_PROJECT_NAME": project, "ARIZE_USER_ID": user_id}
    added = {name: value for name, value in named.items() if value is not None}
    plugins = list(options.plugins)
    if not any(_is_ours(plugin) for plugin in plugins):
        try:
            folder = plugin_folder({**os.environ, **options.env})
            plugins.append({"type": "local", "path": str(folder)})
        except (TracerError, OSError) as error:
            _LOG.warning("this session is not traced: %s", error)
    return replace(options, plugins=plugins, env={**added, **options.env})


def tracing_hooks(
    hooks: Optional[Mapping[Any, Sequence[HookMatcher]]] = None,
    *,
    env: Optional[Mapping[str, str]] = None,
) -> dict[Any, list[HookMatcher]]:
    """Our hooks as callbacks in this process, behind the given ones, for `options.hooks`.

    For where a plugin cannot be loaded; `traced_options` sees more. `env` are variables besides
    the process's own, such as ``ARIZE_PROJECT_NAME``: callbacks do not see `options.env`. The SDK
    calls back for neither start nor end of a session: one ends when its process is gone. A
    callback answers nothing, never raises, and leaves the event loop (asyncio's and trio's)
    alone while it writes.

    Raises PackageMissingError when the SDK is not installed.
    """
    sdk = _sdk()
    capture = _Capture({**(env or {})})
    found = {event: list(matchers) for event, matchers in (hooks or {}).items()}
    for event in _in_process_events(sdk):
        ours = sdk.HookMatcher(hooks=[_callback(event, capture)])
        found.setdefault(event, []).append(ours)
    return found


def plugin_folder(env: Mapping[str, str]) -> Path:
    """The folder of a plugin with our hooks, made for this installation if it is not there.

    `env` is the environment that Claude Code will have; it may name our home. Raises ConfigError
    where nobody knows the user's home, OSError where ours cannot be written.
    """
    home = _home(env)
    interpreter = _interpreter(home)
    if interpreter is None and os.name == "nt":
        raise ConfigError(
            f"{sys.executable} cannot run our worker: install coding-harness-tracing with its"
            " dependencies into this environment"
        )
    if interpreter is None and not home.current.exists():
        _LOG.warning(
            "sessions are captured, but nothing here reads them yet: run `harness bootstrap`, or"
            " install coding-harness-tracing with its dependencies into this environment"
        )
    files = _files(interpreter)
    return _written(_folder(home, files), files)


# --- the plugin ----------------------------------------------------------------------------


def _home(env: Mapping[str, str]) -> Home:
    """Where a hook in this environment would write: a broken config.yaml keeps none from that."""
    from harness_tracing.capture.capture import home_folder

    root = home_folder(env, "")
    if root is None:
        raise ConfigError("HOME is not set; set it to your home folder")
    return Home(Path(root))


def _agent() -> Agent:
    from harness_tracing import agents

    return agents.get(AGENT)


def _line(event: str, interpreter: Optional[str]) -> str:
    from harness_tracing import capture

    script = capture.CAPTURE_PY if os.name == "nt" else capture.CAPTURE_SH
    return capture.hook_command(AGENT, event, interpreter, str(script.absolute()))


def _files(interpreter: Optional[str]) -> dict[str, str]:
    """What the plugin consists of; without an interpreter the installed version's is taken."""
    import harness_tracing

    hooks: dict[str, Any] = {}
    for event in _agent().events:
        limit = {} if event.timeout_s is None else {"timeout": event.timeout_s}
        handler = {"type": "command", "command": _line(event.name, interpreter), **limit}
        hooks[event.name] = [{"hooks": [handler]}]
    manifest = {
        "name": PLUGIN,
        "version": harness_tracing.__version__,
        "description": "Records sessions of the Claude Agent SDK, for harness",
    }
    return {
        ".claude-plugin/plugin.json": json.dumps(manifest, indent=2) + "\n",
        "hooks/hooks.json": json.dumps({"hooks": hooks}, indent=2) + "\n",
    }


def _folder(home: Home, files: Mapping[str, str]) -> Path:
    """Where such a plugin lies: each installation has its own, which never changes."""
    return home.agent_sdk / hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]


def _is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    return all((folder / name).is_file() for name in files)


def _written(folder: Path, files: Mapping[str, str]) -> Path:
    """The folder, there as a whole: it is made beside and put in its place."""
    if _is_whole(folder, files):
        return folder
    import shutil

    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    for above in (folder.parent.parent, folder.parent):
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    try:
        if not _is_whole(folder, files):
            shutil.rmtree(folder, ignore_errors=True)  # what somebody's cleaning up left of it
        draft.rename(folder)
    except OSError:  # another process of the program was quicker
        shutil.rmtree(draft, ignore_errors=True)
        if not _is_whole(folder, files):
            raise
    return folder


def _interpreter(home: Home) -> Optional[str]:
    """The interpreter of this process, if hooks can run our worker with it; else None.

    In a frozen program it would start the program itself. A plugin that names it is there only
    when it was found fit before.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return None
    files = _files(sys.executable)
    known = _is_whole(_folder(home, files), files) or _runs_our_worker(sys.executable)
    return sys.executable if known else None


@functools.lru_cache
def _runs_our_worker(interpreter: str) -> bool:
    """Whether it does so as hooks start it: neither PYTHONPATH nor a user site counts."""
    from harness_tracing.interpreters import output

    words = [interpreter, "-I", "-c", "import harness_tracing.worker"]
    return output(words, os.environ) is not None


def _is_ours(plugin: Mapping[str, Any]) -> bool:
    """Whether a plugin of the options records for us already."""
    from harness_tracing.agents.registration import agent_of

    try:
        hooks = Path(plugin["path"], "hooks", "hooks.json").read_text(encoding="utf-8")
        groups = [group for event in json.loads(hooks)["hooks"].values() for group in event]
        commands = [handler.get("command") for group in groups for handler in group["hooks"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return any(agent_of(command) == AGENT for command in commands)


# --- callbacks -----------------------------------------------------------------------------


def _sdk() -> Any:
    try:
        import claude_agent_sdk
    except ImportError as error:
        raise PackageMissingError(
            "the Claude Agent SDK cannot be imported here; it needs Python 3.10 or newer:"
            f" pip install claude-agent-sdk ({error})"
        ) from error
    return claude_agent_sdk


def _in_process_events(sdk: Any) -> list[str]:
    """Those of our events that the SDK calls back for."""

    def names(kind: Any) -> set[str]:
        parts = get_args(kind)
        return {kind} if isinstance(kind, str) else {n for part in parts for n in names(part)}

    known = names(sdk.types.HookEvent)
    return [event.name for event in _agent().events if event.name in known]


def _callback(
    event: str, capture: _Capture
) -> Callable[[Any, Any, Any], Awaitable[dict[str, Any]]]:
    async def record(payload: Any, _tool_use_id: Any, _context: Any) -> dict[str, Any]:
        import anyio.to_thread

        try:
            await anyio.to_thread.run_sync(capture, event, payload)
        except Exception:
            # The edge to the traced program: a tool call must not fail for our sake.
            _LOG.warning("the event %s was not captured", event, exc_info=True)
        return {}

    return record


class _Capture:
    """Runs the very line that a registered hook runs, with what Claude Code would tell it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._interpreter = None
        try:
            self._interpreter = _interpreter(_home({**os.environ, **env}))
        except ConfigError as error:
            _LOG.warning("sessions of this program are not traced: %s", error)
        self._processes: dict[str, Any] = {}

    def __call__(self, event: str, payload: Mapping[str, Any]) -> None:
        session_id = str(payload.get("session_id") or "")
        env = {
            **os.environ,
            **_outer_span(),
            **self._env,
            "CLAUDE_CODE_SESSION_ID": session_id,
            "CLAUDE_PID": str(self._process(session_id)),
            "CLAUDE_PROJECT_DIR": str(payload.get("cwd") or ""),
        }
        line = _line(event, self._interpreter)
        subprocess.run(
            line if os.name == "nt" else ["/bin/sh", "-c", line],
            input=json.dumps(payload).encode(),
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=CAPTURE_TIMEOUT_S,
            check=False,
        )

    def _process(self, session_id: str) -> int:
        """The Claude Code that a session runs in, where it is our only one; else this process.

        With it gone the session is over. Nobody tells its number to callbacks.
        """
        try:
            import psutil
        except ImportError:  # installed without dependencies
            return os.getpid()
        known = self._processes.get(session_id)
        if known is None or not _lives(known):
            found = [child for child in psutil.Process().children() if _is_claude_code(child)]
            known = found[0] if len(found) == 1 else psutil.Process()
            self._processes[session_id] = known
            while len(self._processes) > MOST_SESSIONS:
                self._processes.pop(next(iter(self._processes)), None)
        return int(known.pid)


def _lives(process: Any) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _is_claude_code(child: Any) -> bool:
    import psutil

    try:
        return "stream-json" in child.cmdline()
    except psutil.Error:
        return False


def _outer_span() -> dict[str, str]:
    """The program's own current span, where it has OpenTelemetry, as the SDK tells of it too."""
    if "opentelemetry" not in sys.modules:
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {name.upper(): value for name, value in carrier.items() if name == "traceparent"}
