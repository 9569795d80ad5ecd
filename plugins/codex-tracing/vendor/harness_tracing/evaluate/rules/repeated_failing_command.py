"""Whether the same command failed again and again with nothing changed in between."""

from __future__ import annotations

from harness_tracing.activity import Command
from harness_tracing.evaluate.finding import About, Judgement
from harness_tracing.evaluate.seen import Seen
from harness_tracing.evaluate.waiting import waiting_calls

TOO_OFTEN = 3
ABOUT = About(
    "repeated_failing_command",
    f"No command failed {TOO_OFTEN} times with no file edited in between.",
    {"none": 1.0, "repeated": 0.0},
    begins_anew=(
        "With every edit of any file, when the command passes, and with every turn. Threads "
        "count apart. Commands that wait (`sleep`, `curl` …) may fail as often as it takes."
    ),
    evidence="The failed calls, the last first.",
    not_measurable_when="The commands are hidden.",
)


class RepeatedFailingCommand:
    """Counts within a turn; an edit, or the command's success, begins anew.

    Commands that wait for something (`curl` until a server is up) may fail as often as it takes.
    """

    about = ABOUT

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on one turn; None for a turn in which no command's end is known."""
        known = [each for each in seen.commands if each.outcome in ("passed", "failed")]
        if not known:
            return self.about.not_measurable("its commands are hidden") if seen.unseen else None
        failing = [each for each in known if each.outcome == "failed"]
        if len(failing) >= TOO_OFTEN:
            waiting = waiting_calls(seen)
            known = [each for each in known if each.tool.tool_use_id not in waiting]
            failing = [each for each in known if each.outcome == "failed"]
        if len(failing) < TOO_OFTEN:
            return self.about.finding("none", "no command kept failing", seen.turn)
        edited = {edit.tool.tool_use_id for edit in seen.edits}
        failed: dict[tuple[object, ...], list[Command]] = {}
        before = 0
        for command in known:
            place = seen.place[command.tool.tool_use_id]
            if any(call.tool_use_id in edited for call in seen.calls[before:place]):
                failed.clear()
            before = max(before, place)
            key = (command.words, command.folder, command.tool.agent_id)
            if command.outcome == "passed":
                failed.pop(key, None)
                continue
            failed.setdefault(key, []).append(command)
            if len(failed[key]) >= TOO_OFTEN:
                return self._told(seen, failed[key])
        return self.about.finding("none", "no command kept failing", seen.turn)

    def _told(self, seen: Seen, failed: list[Command]) -> Judgement:
        last = failed[-1]
        text = f"`{last.text}` failed {len(failed)} times in a row with no edit in between"
        return self.about.finding(
            "repeated", text, seen.turn, tuple(each.tool for each in reversed(failed))
        )
