"""The real Codex in a fresh home: its configuration, how it is run, how it is asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from checkout import HARNESS, ROOT, install
from claude_client import descendants, wait_until
from tracer import Span

CODEX = ROOT / ".e2e" / "codex" / "node_modules" / ".bin" / "codex"
BYPASS = ("--dangerously-bypass-hook-trust",)
CONFIG = """\
# the user's own words
model = "{model}"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
{extra}
[analytics]
enabled = false

[features]
multi_agent = true
{features}

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
stream_max_retries = 0
request_max_retries = 0

[projects."{project}"]
trust_level = "trusted"
"""


@dataclass
class Codex:
    """A user's home with a project, Codex's folder and the tracer."""

    home: Path
    url: str
    model: str = "gpt-5.5"
    extra: str = ""
    features: str = ""

    def __post_init__(self) -> None:
        self.project.mkdir(parents=True)
        self.folder.mkdir()
        (self.project / "pricing.py").write_text("def total(n, p):\n    return n * p\n")
        subprocess.run(["git", "init", "-q"], cwd=self.project, env=self.env(), check=True)
        self.configure()
        install(self.home / ".arize" / "harness")

    def configure(self) -> None:
        """Write config.toml."""
        words = {"model": self.model, "extra": self.extra, "features": self.features}
        text = CONFIG.format(**words, url=self.url, project=self.project)
        (self.folder / "config.toml").write_text(text)

    @property
    def project(self) -> Path:
        """The folder that Codex works in."""
        return self.home / "project"

    @property
    def folder(self) -> Path:
        """CODEX_HOME."""
        return self.home / ".codex"

    def env(self) -> dict[str, str]:
        """Nothing of ours but the path; no key that means anything."""
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.home), "SCRIPTED_KEY": "none", "LANG": "C.UTF-8"}

    def harness(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `harness` command."""
        done = subprocess.run(
            [str(HARNESS), *words], env=self.env(), cwd=self.home, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done
        return done

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start codex in a process group of its own."""
        return subprocess.Popen(
            [str(CODEX), *words],
            env={**self.env(), **env},
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def exec(self, *words: str, bypass: bool = True, **env: str) -> str:
        """`codex exec` to its end; the thread's id."""
        process = self.start("exec", "--json", *(BYPASS if bypass else ()), *words, **env)
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"codex took too long\n{out}\n{err}") from None
        return thread_of(out) or f"no thread: {out} {err}"

    def spans(self, session_id: str, shape: str = "calls") -> list[Span]:
        """The session's spans, after everything was stored."""
        self.harness("flush", "--wait")
        words = ("--session-id", session_id, "--shape", shape, "--stdout")
        exported = json.loads(self.harness("spans", "export", *words).stdout)
        return sorted((Span(each) for each in exported), key=lambda span: span.start_time)

    def sessions(self) -> list[dict[str, Any]]:
        """All stored sessions."""
        self.harness("flush", "--wait")
        found: list[dict[str, Any]] = json.loads(self.harness("sessions", "list", "--json").stdout)
        return found

    def ask(self, *requests: tuple[str, Any]) -> list[Any]:
        """Ask Codex's app-server, as its own surfaces do; the results."""
        process = subprocess.Popen(
            [str(CODEX), "app-server"],
            env=self.env(),
            cwd=self.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert process.stdin and process.stdout
        results = []
        client = {"clientInfo": {"name": "test", "version": "1"}}
        for number, (method, parameters) in enumerate((("initialize", client), *requests)):
            request = {"id": number, "method": method, "params": parameters}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line)
                if answer.get("id") == number:
                    results.append(answer["result"])
                    break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return results[1:]

    def hooks(self) -> list[dict[str, Any]]:
        """Our hooks as Codex sees them."""
        (listed,) = self.ask(("hooks/list", {"cwds": [str(self.project)]}))
        found: list[dict[str, Any]] = listed["data"][0]["hooks"]
        return [hook for hook in found if "harness codex" in hook["command"]]

    def trust_hooks(self) -> None:
        """Trust them all, as the user does in /hooks."""
        value = {}
        for hook in self.hooks():
            trusted, _, content = hook["currentHash"].partition("/")
            value[hook["key"]] = {"trusted_hash": trusted}
            if content:
                value[hook["key"]]["trusted_content_hash"] = content
        edit = {"keyPath": "hooks.state", "value": value, "mergeStrategy": "upsert"}
        self.ask(("config/batchWrite", {"edits": [edit], "reloadUserConfig": True}))


def thread_of(out: str) -> Optional[str]:
    """The thread's id in what `codex exec --json` printed."""
    for line in out.split("\n"):
        if line.startswith("{") and '"thread.started"' in line:
            return str(json.loads(line)["thread_id"])
    return None


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C for the client itself, which npm's launcher has started."""
    client = wait_until(lambda: descendants(process.pid))[0]
    os.kill(client, signal.SIGINT)
