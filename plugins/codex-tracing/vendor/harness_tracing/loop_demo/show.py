"""Who plays the demo's agent, where, and whether it came out as it should."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from harness_tracing.loop_demo import transcript
from harness_tracing.loop_demo.applying import apply
from harness_tracing.loop_demo.client import Own, Scripted, scripted_model
from harness_tracing.loop_demo.loop import Outcome, Walk
from harness_tracing.loop_demo.recorded import Recorded
from harness_tracing.loop_demo.stage import DemoError, Stage

_DONE_WITHIN_S = 10
_POLL_S = 0.1


@dataclass(frozen=True)
class Cast:
    """Claude Code's program if there is one, the programs it `lacks` here, and whose account."""

    program: Optional[Path]
    lacks: Sequence[str] = ()
    real: bool = False

    @property
    def is_recorded(self) -> bool:
        """Whether recordings have to do."""
        return self.program is None or bool(self.lacks)

    def says(self) -> str:
        """Who plays, in words."""
        if self.real:
            return (
                f"The agent is your own Claude Code ({self.program}), with your account. It gets"
                " our hooks for these runs alone."
            )
        if not self.is_recorded:
            return f"The agent is Claude Code ({self.program}), answered by a script on loopback."
        lacks = ", ".join(self.lacks) or "Claude Code"
        return f"RECORDED sessions of Claude Code are played, without {lacks}: no agent runs here."

    def play(
        self, stage: Stage, say: transcript.Say, ask: Optional[Callable[[str], bool]] = None
    ) -> bool:
        """The whole loop; whether it came out as it should.

        `ask` has the user apply a proposal, and says whether they did; None: it is done for them.
        """
        stage.prepare()
        decide = ask or (lambda proposal_id: apply(stage, proposal_id, say))
        if self.real:
            assert self.program is not None
            Walk(stage, Own(stage, self.program), say, decide).whole()
            return True  # what a real model does is its own
        if self.is_recorded:
            return came_out_well(Walk(stage, Recorded(stage), say, decide).whole())
        assert self.program is not None
        with scripted_model() as model:
            agent = Scripted(stage, self.program, model)
            return came_out_well(Walk(stage, agent, say, decide).whole())


def came_out_well(outcome: Outcome) -> bool:
    """Whether the first half did not pass and, where all was applied, the second did."""
    failed = bool(outcome.before) and "verified" not in outcome.before
    return failed and (outcome.declined or outcome.after == ("verified",))


@contextmanager
def stage(folder: Optional[Path], caller: Mapping[str, str]) -> Iterator[Stage]:
    """A stage in a folder, which stays; or in a temporary one, gone afterwards.

    Raises DemoError where something is in the folder already.
    """
    if folder is not None:
        folder = folder.resolve()  # as agents tell it
        if folder.exists() and any(folder.iterdir()):
            raise DemoError(f"{folder} is not empty; name a new folder")
        yield Stage(folder, caller)
        return
    # Resolved: where temporary folders lie behind a link, agents tell the other path.
    made = Path(tempfile.mkdtemp(prefix="harness-demo-")).resolve()
    try:
        yield Stage(made, caller)
    finally:
        _remove(made)


def _remove(folder: Path) -> None:
    """Remove it when the processes in the background are done; a late one leaves without it."""
    deadline = time.monotonic() + _DONE_WITHIN_S
    while _is_worked_in(folder) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    deadline = time.monotonic() + _DONE_WITHIN_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(_POLL_S)


def _is_worked_in(folder: Path) -> bool:
    """Whether a process names the folder: workers and those that judge do."""
    import psutil

    lines = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
    return any(str(folder) in word for line in lines for word in line)
