"""What each line of the session tree says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Optional

from rich.text import Text

from harness_tracing.model import ModelCall, Moment, Step, Subagent, ToolCall, Usage
from harness_tracing.observe.rows import Fact, Row, column, sentence, words
from harness_tracing.observe.styles import CAREFUL, FAILED, MODEL, QUIET, STATUS_STYLES
from harness_tracing.observe.text import duration, first_line, plural, tokens

_ORDINARY_ENDS = {None, "tool_use", "end_turn", "tool_calls", "stop", "stop_sequence"}
# The argument that tells a call from its neighbours, the most telling first. These are the
# names the agents' own tools use.
_TELLING = (
    "command",
    "cmd",
    "file_path",
    "absolute_path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "path",
    "skill",
    "subject",
    "description",
    "prompt",
)
_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_TIME_WIDTH = 8
_OUT_WIDTH = 9


def time_column(started_at_ns: Optional[int], ended_at_ns: Optional[int]) -> Text:
    """How long it took, at the right edge; blank keeps the column when that is not known."""
    known = started_at_ns is not None and ended_at_ns is not None
    took = duration(ended_at_ns - started_at_ns) if known else ""  # type: ignore[operator]
    return column(took or "–", _TIME_WIDTH)


def usage_facts(usage: Usage) -> list[Fact]:
    """Tokens in, with cache reads and writes apart where there is room, and tokens out."""
    if usage.total_tokens is None:
        return []
    into = f"{tokens(usage.input_tokens)} in"
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    apart = [f"{tokens(read)} read"] if read else []
    apart += [f"{tokens(written)} written"] if written else []
    choices = [f"{into} ({', '.join(apart)})"] if apart else []
    choices += [f"{into} ({tokens(read)} cached)"] if read else []
    return [
        [Text(choice, QUIET) for choice in (*choices, into)],
        column(f"{tokens(usage.output_tokens)} out", _OUT_WIDTH),
    ]


def usage_words(usage: Usage) -> list[str]:
    """The same in a sentence: ``45.3k in (38.1k cached)``, ``1.2k out``."""
    if usage.total_tokens is None:
        return []
    read = usage.cache_read_tokens
    cached = f" ({tokens(read)} cached)" if read else ""
    return [f"{tokens(usage.input_tokens)} in{cached}", f"{tokens(usage.output_tokens)} out"]


def call_row(call: ModelCall) -> Row:
    """A model call: model, what is unusual about it, tokens, time."""
    marks = [words(call.model or "model not known", MODEL)]
    if call.kind and call.moment_id is None:  # else the moment above it says the same
        marks.append(words(call.kind, QUIET))
    if call.attempt > 1:
        marks.append(Text(f"attempt {call.attempt}", CAREFUL))
    if call.output is not None and call.output.thinking:
        marks.append(Text("thinking", "dim italic"))
    if call.finish_reason not in _ORDINARY_ENDS:
        marks.append(words(call.finish_reason or "", CAREFUL))
    if call.error is not None:
        cut = call.error.type == "interrupted"
        marks.append(Text("interrupted", CAREFUL) if cut else Text("failed", FAILED))
    facts = usage_facts(call.usage)
    return Row(sentence(*marks), [*facts, time_column(call.started_at_ns, call.ended_at_ns)])


def tool_row(tool: ToolCall, cwd: Optional[str]) -> Row:
    """A tool call: name, telling argument, waits, status unless it went well, time.

    Paths below `cwd` are shown as seen from there.
    """
    style = STATUS_STYLES[tool.status]
    name = words(tool.name, "bold" if style == QUIET else f"bold {style}")
    facts = []
    if tool.waited_ns:
        why = f" for {words(tool.wait_kind).plain}" if tool.wait_kind else ""
        facts.append(Text(f"waited {duration(tool.waited_ns)}{why}", CAREFUL))
    if tool.status != "ok":
        facts.append(Text(tool.status, style))
    facts.append(time_column(tool.started_at_ns, tool.ended_at_ns))
    argument = telling_argument(tool.input)
    if cwd and argument.startswith(cwd.rstrip("/") + "/"):
        argument = argument[len(cwd.rstrip("/")) + 1 :]
    return Row(sentence(name, words(argument)), facts)


def telling_argument(arguments: Any) -> str:
    """The argument one would name to tell this tool call from another; empty without any."""
    if isinstance(arguments, str):
        return _patched(arguments) or arguments
    if not isinstance(arguments, dict):
        return ""
    patched = _patched(arguments.get("command") or arguments.get("input"))
    if patched:
        return patched
    kind = arguments.get("subagent_type") or arguments.get("agent_type")
    if isinstance(kind, str):
        about = arguments.get("description") or arguments.get("prompt")
        return f"{kind}: {about}" if isinstance(about, str) else kind
    found = next((key for key in _TELLING if _said(arguments.get(key))), None)
    text = _said(arguments[found]) if found else _first_said(arguments.values())
    where = arguments.get("path")
    if found == "pattern" and isinstance(where, str):
        return f"{text} in {where}"
    return text


def _patched(value: Any) -> str:
    """The files of a patch as `apply_patch` takes it; empty for anything else."""
    if not isinstance(value, str) or not value.lstrip().startswith("*** Begin Patch"):
        return ""
    return ", ".join(dict.fromkeys(_PATCHED.findall(value)))


def _said(value: Any) -> str:
    if isinstance(value, str):
        return first_line(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return first_line(" ".join(value))
    return ""


def _first_said(values: Iterable[Any]) -> str:
    for value in values:
        within = value.values() if isinstance(value, dict) else value
        said = _said(value)
        if not said and isinstance(value, (dict, list)):
            said = _first_said(each for each in within if isinstance(each, (str, dict)))
        if said:
            return said
    return ""


def subagent_row(agent: Subagent, steps: Iterable[Step]) -> Row:
    """A sub-agent: type, what its own steps used, time. `steps` are its own, not nested ones."""
    calls = [step for step in steps if isinstance(step, ModelCall)]
    marks = [words(f"agent {agent.type or ''}", "bold magenta")]
    if agent.background:
        marks.append(Text("in the background", QUIET))
    if agent.status != "completed":
        marks.append(Text(agent.status, STATUS_STYLES[agent.status]))
    used = sum((call.usage for call in calls), Usage())
    facts: list[Fact] = [Text(plural(len(calls), "call"), QUIET) if calls else Text()]
    facts += usage_facts(used)
    return Row(sentence(*marks), [*facts, time_column(agent.started_at_ns, agent.ended_at_ns)])


def moment_row(moment: Moment) -> Row:
    """A moment: its kind and what its details say."""
    name = _MOMENT_NAMES.get(moment.kind, moment.kind.replace("_", " "))
    said = _moment_words(moment)
    took = time_column(moment.at_ns, moment.ended_at_ns) if moment.ended_at_ns else Text()
    return Row(sentence(words(name, "blue"), words(said)), [took])


_HOOK_NAMED = re.compile(r"\AStop hook feedback:\s*\[.*?\]: ", re.DOTALL)
_MOMENT_NAMES = {"prompt": "queued prompt", "model_switch": "model"}


def _moment_words(moment: Moment) -> str:
    details = moment.details
    if not isinstance(details, dict):
        return _said(details)
    if moment.kind == "compaction":
        return _compaction_words(details)
    before, after = details.get("from_model"), details.get("to_model")
    if isinstance(after, str):
        return f"{before} → {after}" if isinstance(before, str) else after
    text = next((value for value in details.values() if isinstance(value, str)), None)
    if text and moment.kind == "hook_feedback":
        text = _HOOK_NAMED.sub("", text, count=1)  # its command is long, and says nothing
    return _opening(text) if text else _first_said(details.values())


def _opening(text: str) -> str:
    """The first line, with the next where it only announces that."""
    first, _, rest = text.strip().partition("\n")
    return first_line(f"{first} {first_line(rest)}") if first.rstrip().endswith(":") else first


def _compaction_words(details: dict[str, Any]) -> str:
    parts = [_said(details.get("trigger"))]
    before, after = details.get("pre_tokens"), details.get("post_tokens")
    if isinstance(before, int):
        shrunk = f"{tokens(before)} tokens"
        parts.append(shrunk + (f" to {tokens(after)}" if isinstance(after, int) else ""))
    return ", ".join(part for part in parts if part)
