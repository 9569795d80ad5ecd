"""Whether files were read before they were changed."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from operator import itemgetter
from typing import Optional

from harness_tracing.activity import Edit
from harness_tracing.activity.tools import is_hidden, kind_of
from harness_tracing.evaluate.finding import About, Judgement
from harness_tracing.evaluate.seen import Seen
from harness_tracing.model import ToolCall

ABOUT = About(
    "edit_without_read",
    "Every file that was changed had been read, or written, by the same thread since its last"
    " compaction.",
    {"read": 1.0, "read_before_compaction": 0.5, "not_read": 0.0},
    begins_anew=(
        "With every compaction of the thread, after which a file read before counts as half "
        "read. Sub-agents are threads of their own. Otherwise never within a session."
    ),
    evidence="The edits of files that had not been read.",
    not_measurable_when=(
        "Names of files are hidden; the conversation began before what was recorded; a "
        "prompt, which may name files, is hidden; whether a written file was there before was"
        " not recorded."
    ),
)
_Thread = Optional[str]
_SEARCHERS = {"grep", "rg", "ag", "awk", "sed"}
_NAMED = re.compile(r"(?:^|\s)@([\w./~-]*\w)")


class EditWithoutRead:
    """Remembers over a session what each thread has read or written; a compaction makes it stale.

    Only tools made for editing count, and only changes of files that were there: what a command
    such as a formatter changes, and new files, need no reading. Lines found by a search in one
    named file count as reading it, and so does naming a file in the prompt (``@src/a.py``).
    """

    about = ABOUT

    def __init__(self) -> None:
        self._known: dict[tuple[_Thread, str], bool] = {}  # whether it is fresh
        self._begun = False
        self._more: Optional[str] = None  # why the main thread may know files that nobody saw

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on one turn; None for a turn that changed no file that was there."""
        self._begin(seen)
        if not seen.compactions and all(edit.by is not None for edit in seen.edits):
            for path, call in (*seen.reads, *searched(seen)):
                self._read(path, call.agent_id, seen.turn.cwd)
            return None
        found: dict[str, list[Edit]] = {"not_read": [], "read_before_compaction": [], "read": []}
        unsure: list[str] = []
        for happened in self._in_order(seen):
            if isinstance(happened, Edit):
                verdict = self._edit(happened, seen.turn.cwd)
                if verdict in found:
                    found[verdict].append(happened)
                elif verdict is not None:
                    unsure.append(verdict)
            elif happened[0] is None:
                self._forget(happened[1])
            else:
                self._read(happened[0], happened[1], seen.turn.cwd)
        return self._told(seen, found, unsure)

    def _begin(self, seen: Seen) -> None:
        turn = seen.turn
        if not self._begun:
            self._begun = True
            self._more = seen.went_before
        if is_hidden(turn.prompt):
            self._more = self._more or "a prompt is hidden, which may have named files"
        prompt = turn.prompt or ""
        for path in _NAMED.findall(prompt) if "@" in prompt else ():
            self._read(path, None, turn.cwd)

    def _told(self, seen: Seen, found: dict[str, list[Edit]], unsure: list[str]) -> Judgement:
        for label, how in (
            ("not_read", "was changed without having been read in this session"),
            ("read_before_compaction", "was read only before the context was compacted"),
        ):
            if found[label]:
                paths = list(dict.fromkeys(edit.path or "" for edit in found[label]))
                more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
                calls = tuple(edit.tool for edit in found[label])
                return self.about.finding(label, f"{paths[0]}{more} {how}", seen.turn, calls)
        if unsure:
            return self.about.not_measurable(unsure[0])
        if not found["read"]:
            return None
        return self.about.finding("read", "every changed file had been read", seen.turn)

    def _in_order(self, seen: Seen) -> list[Edit | tuple[Optional[str], _Thread]]:
        """Edits, (path, thread) of what was read, (None, thread) of compactions, in their order."""
        place, begun_ns = seen.place, seen.turn.started_at_ns
        happened: list[tuple[int, int, Edit | tuple[Optional[str], _Thread]]] = [
            (call.started_at_ns or begun_ns, place[call.tool_use_id], (path, call.agent_id))
            for path, call in (*seen.reads, *searched(seen))
        ]
        happened += [
            (edit.tool.started_at_ns or begun_ns, place[edit.tool.tool_use_id], edit)
            for edit in seen.edits
            if edit.by is None
        ]
        happened += [(each.at_ns, -1, (None, each.agent_id)) for each in seen.compactions]
        happened.sort(key=itemgetter(0, 1))
        return [each[2] for each in happened]

    def _edit(self, edit: Edit, folder: Optional[str]) -> Optional[str]:
        """A label, or why none can be given; None for a file that needs no reading."""
        if edit.path is None or is_hidden(edit.path):
            return "the names of the changed files are hidden"
        key = (edit.tool.agent_id, _whole(edit.path, folder))
        fresh, self._known[key] = self._known.get(key), True
        if fresh is not None:
            return "read" if fresh else "read_before_compaction"
        if edit.kind in ("create", "move", "delete"):
            return None
        if edit.kind == "unknown":
            return f"whether {edit.path} was there before was not recorded"
        if self._more is not None and edit.tool.agent_id is None:
            return self._more
        return "not_read"

    def _read(self, path: str, thread: _Thread, folder: Optional[str]) -> None:
        self._known[(thread, _whole(path, folder))] = True

    def _forget(self, thread: _Thread) -> None:
        for key in self._known:
            if key[0] == thread:
                self._known[key] = False


def searched(seen: Seen) -> list[tuple[str, ToolCall]]:
    """The single files whose lines a search printed, with the call."""
    found = []
    for call in seen.calls:
        if kind_of(call) == "search" and call.status == "ok" and isinstance(call.input, dict):
            path = call.input.get("path")
            if isinstance(path, str):
                found.append((path, call))
    for command in seen.commands:
        if command.name in _SEARCHERS and command.outcome == "passed":
            named = [word for word in command.words[2:] if "." in word and word[:1] != "-"]
            found += [(posixpath.join(command.folder or "", word), command.tool) for word in named]
    return found


@lru_cache(maxsize=1024)
def _whole(path: str, folder: Optional[str]) -> str:
    return posixpath.normpath(posixpath.join(folder or "", path))
