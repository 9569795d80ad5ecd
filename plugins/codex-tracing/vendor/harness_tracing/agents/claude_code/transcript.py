"""The edge to Claude Code's own lines: foreign JSON in, our values out.

Nothing here raises on what the client may write; a field that is not as expected reads as
missing. Where each field was learned: README.md (Claude Code 2.1.330).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Optional

from harness_tracing.model import Failure, Message, ToolRequest, Usage

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SYNTHETIC_MODEL = "<synthetic>"
INTERRUPTED_PREFIX = "[Request interrupted by user"
FEEDBACK_PREFIX = "Stop hook feedback"
NOTIFICATION_PREFIX = "<task-notification>"
CUT_STREAM_PREFIX = "Your response above was cut off mid-stream"
TYPED_OUTPUT = ("<bash-stdout>", "<bash-stderr>")
COMMAND_PREFIXES = (
    "<command-name>",
    "<command-message>",
    "<local-command-",
    "<bash-input>",
    "<bash-stdout>",
    "<bash-stderr>",
)
# The conversation's own requests; any other source (titles, summaries) is a side request.
CONVERSATION_SOURCES = ("sdk", "repl_main_thread", "agent:")

_EXIT_CODE = re.compile(r"^(?:Error: )?Exit code (\d+)")
_TOOL_USE_ERROR = re.compile(r"<tool_use_error>\s*(?:Error: )?(\w*Error|No such tool)?")
_TYPED = re.compile(r"\s*<bash-input>(.*)</bash-input>\s*$", re.DOTALL)
_SAVED_OUTPUT = re.compile(r"<persisted-output>\n[^\n]*saved to: ([^\n]+)\n")
_TAG = re.compile(r"<(task-id|tool-use-id|status)>([^<]*)</\1>")
_COMMAND_NAME = re.compile(r"<command-name>(.*?)</command-name>", re.DOTALL)
_COMMAND_ARGS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)
# 128 + SIGHUP, SIGINT, SIGKILL, SIGTERM: how a command ends that its agent took down.
SIGNAL_EXIT_CODES = frozenset({129, 130, 137, 143})


def time_ns(value: Any) -> Optional[int]:
    """A line's ISO 8601 timestamp as Unix ns; None when it is none."""
    if not isinstance(value, str):
        return None
    text = value[:-1] + "+00:00" if value.endswith("Z") else value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    span = moment - EPOCH
    return (span.days * 86_400 + span.seconds) * 10**9 + span.microseconds * 1_000


def string(value: Any) -> Optional[str]:
    """The value when it is a non-empty string."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    """A message's content as blocks; a plain string is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return []


def text_of(content: Any) -> Optional[str]:
    """The readable text of a message or tool result; pictures are named, not copied."""
    parts = [part for part in map(_block_text, blocks(content)) if part is not None]
    return "\n".join(parts) if parts else None


def _block_text(block: Mapping[str, Any]) -> Optional[str]:
    kind = block.get("type")
    if kind == "text":
        return string(block.get("text"))
    if kind in ("image", "document"):
        source = mapping(block.get("source"))
        size = len(source.get("data") or "") * 3 // 4
        return f"[{kind} {source.get('media_type') or 'of unknown type'}, {size} bytes]"
    if kind == "tool_reference":
        return f"[tool {block.get('tool_name')}]"
    return None


def without_pictures(value: Any) -> Any:
    """A structured tool result without base64 data: a picture's bytes are no use in a trace."""
    if isinstance(value, dict):
        return {
            str(key): f"[{len(item) * 3 // 4} bytes]"
            if key in ("base64", "data") and isinstance(item, str) and len(item) > 40
            else without_pictures(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_pictures(item) for item in value]
    return value


def usage_of(raw: Any, thinking: bool) -> Usage:
    """The tokens of one call; `thinking`: whether the model was seen thinking.

    Anthropic's input_tokens leaves cached tokens out; ours are all of them. A thinking count
    of 0 beside visible thinking is a count the client does not have.
    """
    usage = mapping(raw)
    fresh, read, write = (
        _count(usage.get(key))
        for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    reasoning = _count(mapping(usage.get("output_tokens_details")).get("thinking_tokens"))
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (write or 0),
        output_tokens=_count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=_count(
            mapping(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")
        ),
        reasoning_tokens=None if thinking and not reasoning else reasoning,
    )


def reported_usage(raw: Any) -> Usage:
    """The tokens of one model in a cost-state line's `modelUsage`."""
    usage = mapping(raw)
    fresh, read, write = (
        _count(usage.get(key))
        for key in ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    )
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (write or 0),
        output_tokens=_count(usage.get("outputTokens")),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=_count(usage.get("cacheCreationEphemeral1hInputTokens")),
    )


def _count(value: Any) -> Optional[int]:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


def tool_request(block: Mapping[str, Any]) -> Optional[ToolRequest]:
    """The tool call a tool_use block asks for."""
    tool_use_id = string(block.get("id"))
    if tool_use_id is None:
        return None
    return ToolRequest(tool_use_id, string(block.get("name")) or "unknown", block.get("input"))


def rendered_messages(line: Mapping[str, Any]) -> list[Message]:
    """What an attachment line put before the model."""
    role = string(line.get("renderedRole")) or "user"
    rendered = line.get("rendered")
    texts = (
        (text_of(mapping(item).get("content")) for item in rendered or ())
        if isinstance(rendered, list)
        else ()
    )
    return [Message(role=role, content=text) for text in texts if text]


def version(text: Optional[str]) -> tuple[int, ...]:
    """A client version as numbers that compare; () when there is none."""
    return tuple(int(part) for part in re.findall(r"\d+", text or "")[:3])


def is_command(text: str) -> bool:
    """Whether a user line is a local command or its output: no prompt to the model."""
    return text.lstrip().startswith(COMMAND_PREFIXES)


def stop_hooks_let_go(summary: Mapping[str, Any]) -> bool:
    """Whether a stop_hook_summary line ends the turn.

    A hook that blocks leaves an error that is not among the failed ones, one that only adds
    context leaves that; both make the agent go on, unless a hook forbade continuing.
    """
    if summary.get("preventedContinuation"):
        return True
    errors, failed = summary.get("hookErrors"), summary.get("failedHookErrorIndexes")
    blocked = _length(errors) > _length(failed)
    return not blocked and not summary.get("hookAdditionalContext")


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def typed_command(text: str) -> Optional[str]:
    """The shell command in a line of what the user typed after `!`."""
    match = _TYPED.match(text)
    return match.group(1) if match else None


def saved_output(text: Optional[str], session_id: str) -> Optional[str]:
    """Where a result says its whole output lies, if that is the session's own folder for it.

    A command may print anything: no other file is opened on the word of a result.
    """
    match = _SAVED_OUTPUT.match(text or "")
    if match is None:
        return None
    parts = re.split(r"[/\\]", match.group(1))
    ours = parts[-3:-1] == [session_id, "tool-results"] and ".." not in parts
    return match.group(1) if ours and ".claude" in parts else None


def changed_input(attachment: Mapping[str, Any]) -> Any:
    """The tool input that a PreToolUse hook put in the place of the model's; None for none."""
    stdout = attachment.get("stdout")
    if attachment.get("hookEvent") != "PreToolUse" or not isinstance(stdout, str):
        return None
    try:
        answer = json.loads(stdout)
    except ValueError:
        return None
    output = mapping(mapping(answer).get("hookSpecificOutput"))
    changed = output.get("updatedInput")
    return changed if isinstance(changed, Mapping) else None


def slash_command(text: str) -> str:
    """A prompt as the user typed it: `/name arguments` where the client wrote tags."""
    name = _COMMAND_NAME.search(text)
    if name is None or not is_command(text):
        return text
    arguments = _COMMAND_ARGS.search(text)
    typed = f"{name.group(1)} {arguments.group(1) if arguments else ''}"
    return typed.strip()


def notification(text: Optional[str]) -> dict[str, str]:
    """The ids in a `<task-notification>`: task-id, tool-use-id, status; {} when it is none."""
    if not text or not text.lstrip().startswith(NOTIFICATION_PREFIX):
        return {}
    return dict(_TAG.findall(text))


def exit_code(text: Optional[str]) -> Optional[int]:
    """The exit code that a failed command's result begins with."""
    match = _EXIT_CODE.match(text or "")
    return int(match.group(1)) if match else None


def tool_failure(text: Optional[str]) -> Failure:
    """The failure that a tool's error result tells of."""
    if exit_code(text) is not None:
        return Failure("exit_code", text)
    match = _TOOL_USE_ERROR.match(text or "")
    if match:
        known = {"No such tool": "unknown_tool", None: "tool_use_error"}
        told = (text or "").replace("<tool_use_error>", "").replace("</tool_use_error>", "")
        return Failure(known.get(match.group(1), match.group(1)), told.strip())
    return Failure("tool_error", text)
