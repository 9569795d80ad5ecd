"""The interactive client in a terminal of tmux."""

from __future__ import annotations

import json
import subprocess
import time

from claude_client import Home, wait_until


class Terminal:
    """The interactive client in tmux, on a server of our own."""

    def __init__(self, home: Home, *arguments: str):
        self.home = home
        self.tmux = ["tmux", "-S", str(home.path.parent / "tmux.sock"), "-f", "/dev/null"]
        config = {"hasCompletedOnboarding": True, "theme": "dark", "projects": {}}
        config["projects"] = {str(home.project): {"hasTrustDialogAccepted": True}}
        config["customApiKeyResponses"] = {"approved": ["test"], "rejected": []}
        (home.path / ".claude.json").write_text(json.dumps(config))
        size = ("-x", "120", "-y", "40")
        command = [*self.tmux, "new-session", "-d", *size, str(home.claude), *arguments]
        subprocess.run(command, check=True, cwd=home.project, env=home.env(TERM="xterm"))

    def screen(self) -> str:
        """What the terminal shows."""
        return subprocess.run(
            [*self.tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False
        ).stdout

    def type(self, *keys: str) -> None:
        """Press keys; `Enter` and `Escape` are names, other words are typed."""
        for key in keys:
            subprocess.run([*self.tmux, "send-keys", key], check=True)
            time.sleep(0.3)

    def expect(self, *texts: str, timeout_s: float = 20) -> None:
        """Wait until the screen shows one of `texts`."""
        try:
            wait_until(lambda: any(text in self.screen() for text in texts), timeout_s)
        except AssertionError:
            raise AssertionError(f"none of {texts} on screen:\n{self.screen()}") from None

    def close(self) -> None:
        """End the terminal, whatever it shows."""
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)
