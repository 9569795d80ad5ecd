"""Single values made fit to be written down: texts, messages, failures, JSON. See redact.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import is_
from typing import Any, Optional, TypeVar

import msgspec

from harness_tracing.config import DEFAULT_MAX_VALUE_CHARS, SecretPattern, Settings
from harness_tracing.model import Failure, Json, Message, ToolRequest
from harness_tracing.secret_rules import redact_text, secret_kind_of_name

T = TypeVar("T")

# Deeper nesting than this is nobody's argument or result.
_DEEPEST = 100
_SHORTEST_TEXT = 200
_MARKER = re.compile(r"\[[a-z ]+ hidden: \d+ chars\]")


@dataclass(frozen=True)
class Policy:
    """What may be written down. Built from the settings of a session."""

    prompts: bool = True
    tool_details: bool = True
    tool_content: bool = True
    secrets: bool = True
    patterns: tuple[SecretPattern, ...] = ()
    max_value_chars: int = DEFAULT_MAX_VALUE_CHARS

    @staticmethod
    def of(settings: Settings) -> Policy:
        """The policy that a session's settings ask for."""
        return Policy(
            prompts=settings.log_prompts,
            tool_details=settings.log_tool_details,
            tool_content=settings.log_tool_content,
            secrets=settings.redact_secrets,
            patterns=settings.secret_patterns,
            max_value_chars=settings.max_value_chars,
        )

    @property
    def tools(self) -> bool:
        """Whether both what tools were asked and what they returned may be shown."""
        return self.tool_details and self.tool_content

    @property
    def all(self) -> bool:
        """Whether content of every kind may be shown."""
        return self.prompts and self.tools


# What these keys of a model's parameters or a moment's details hold is a choice among few words.
_FACTS = frozenset(
    "trigger source reason kind type status model from_model to_model effort speed service_tier"
    " display mode budget_tokens notification_type error_type".split()
)
_FACT = re.compile(r"[A-Za-z0-9_.:/\[\]-]{0,80}")


_kind_of_name = lru_cache(maxsize=4096)(secret_kind_of_name)


def same_or_new(values: tuple[T, ...], clean: Iterable[T]) -> tuple[T, ...]:
    """The clean values; the tuple they were in where none has changed."""
    new = tuple(clean)
    return values if all(map(is_, new, values)) else new


def hidden(what: str, chars: int) -> str:
    """The marker that stands for hidden content."""
    return f"[{what} hidden: {chars} chars]"


# A character may be written as \u0000; a value has quotes, a comma and a colon around it, and a
# float or a note of ours has no more than these.
_MOST_PER_CHAR, _MOST_PER_VALUE = 6, 64

_SHORT_CHARS = 64
_SHORT_MOST = 8192
# Short texts in which the rules find nothing, of any session: names, words, kinds.
_harmless: set[str] = set()


# A client's system prompt is long, and the same in every turn of many sessions.
_scanned_before = lru_cache(maxsize=16)(redact_text)


class Seen:
    """What came of texts and JSON values that were met: the same comes again and again.

    Texts are known by what they say, with how many secrets they had; values by which object they
    are, and are kept here so that none takes another's place.
    """

    def __init__(self) -> None:
        self.texts: dict[str, tuple[str, int]] = {}
        self.values: dict[int, tuple[Json, Json, int]] = {}


class Cleaner:
    """Applies one policy to one turn's header or one step and counts the secrets it replaced.

    `seen` is what Cleaners of the same policy share: an output stands in the tool's result, in its
    structured twin and in the next call's input, and names of arguments in every call.
    """

    def __init__(self, policy: Policy, seen: Optional[Seen] = None) -> None:
        self.policy = policy
        self.count = 0
        self._most_chars = 0
        self._patterns = tuple((pattern.kind, pattern.regex) for pattern in policy.patterns)
        self._scans = policy.secrets or bool(self._patterns)
        # Only what the rules alone say holds for every session.
        self._harmless = _harmless if policy.secrets and not self._patterns else frozenset()
        self._seen = Seen() if seen is None else seen

    def text(self, text: Optional[str], shown: bool, what: str) -> Optional[str]:
        """A text: hidden, or without secrets and not too long."""
        if not text:
            return text
        if not shown:
            return text if _MARKER.fullmatch(text) else hidden(what, len(text))
        return cut_text(self.scanned(text) or "", self.policy.max_value_chars)

    def user_text(self, text: Optional[str], shown: bool) -> Optional[str]:
        """A text of the user's role, which may have tool content wrapped into it."""
        if text and shown:
            text = _without_wrapped(text, self.policy)
        return self.text(text, shown, "prompt")

    def scanned(self, text: Optional[str]) -> Optional[str]:
        """A text without secrets, of whatever length."""
        if not text or not self._scans or text in self._harmless:
            return text
        known = self._seen.texts.get(text)
        if known is None:
            known = redact_text(text, self._patterns, self.policy.secrets)
            if not known[1]:
                self._remember(text)
            self._seen.texts[text] = known
        self.count += known[1]
        return known[0]

    def _recall(self, text: str) -> None:
        """Know the text from other turns, if this process has seen it in one."""
        if text not in self._seen.texts and self._scans:
            known = _scanned_before(text, self._patterns, self.policy.secrets)
            self._seen.texts[text] = known

    def _remember(self, text: str) -> None:
        if self._harmless is _harmless and len(text) <= _SHORT_CHARS:
            if len(_harmless) >= _SHORT_MOST:
                _harmless.clear()
            _harmless.add(text)

    def failure(self, failure: Optional[Failure], shown: bool) -> Optional[Failure]:
        """An error: its type stays."""
        if failure is None:
            return None
        kind = self.scanned(failure.type) or failure.type
        message = self.text(failure.message, shown, "error")
        unchanged = kind is failure.type and message is failure.message
        return failure if unchanged else Failure(kind, message)

    def message(self, message: Message, of_agent: bool = False) -> Message:
        """A message to or from a model, by its role; `of_agent`: the model is a sub-agent's."""
        policy = self.policy
        if message.role == "tool":
            content = self.text(message.content, policy.tools, "tool output")
        elif message.role == "assistant":
            shown = policy.prompts and (policy.tool_content or not of_agent)
            content = self.text(message.content, shown, "response")
        else:
            shown = policy.prompts and (policy.tool_details or not of_agent)
            if message.role == "system" and message.content and shown:
                self._recall(message.content)
            content = self.user_text(message.content, shown)
        thinking = self.text(message.thinking, policy.prompts, "thinking")
        requests = same_or_new(message.tool_requests, map(self._request, message.tool_requests))
        # Most messages hold nothing to take out, and making values is what redaction costs.
        if (
            content is message.content
            and thinking is message.thinking
            and requests is message.tool_requests
        ):
            return message
        return replace(message, content=content, thinking=thinking, tool_requests=requests)

    def _request(self, request: ToolRequest) -> ToolRequest:
        arguments = request.arguments
        shown = self.policy.tool_details
        if isinstance(arguments, (dict, Mapping)) and isinstance(arguments.get("prompt"), str):
            shown = shown and self.policy.prompts
        clean = self.json(arguments, shown, "tool input")
        return request if clean is arguments else replace(request, arguments=clean)

    # -- JSON

    def json(self, value: Json, shown: bool, what: str, name: str = "") -> Json:
        """A JSON value: hidden as one text, or each text in it clean, all together not too long."""
        if value is None or (isinstance(value, (bool, int, float)) and shown):
            return value
        if isinstance(value, str):
            return self.text(self.named(name, value), shown, what)
        if not shown:
            return hidden(what, len(_dumped(value)))
        known = self._seen.values.get(id(value)) if not name else None
        if known is None:
            before, self._most_chars = self.count, 0
            clean = self._clean(value, name, 0)
            if self._most_chars > self.policy.max_value_chars:
                clean = _shortened(clean, self.policy.max_value_chars)
            if not name:
                self._seen.values[id(value)] = value, clean, self.count - before
            return clean
        self.count += known[2]
        return known[1]

    def facts(self, value: Json, shown: bool) -> Json:
        """JSON whose names are ours or the provider's: when hidden, its facts stay.

        Facts are numbers, switches, and what stands under a name of `_FACTS`.
        """
        if shown or value is None:
            return self.json(value, True, "details")
        if not isinstance(value, Mapping):
            return self.json(value, False, "details")
        return {str(name): self._fact(str(name), item) for name, item in value.items()}

    def _fact(self, name: str, value: Json) -> Json:
        if value is None or isinstance(value, (bool, int, float)) or value == "":
            return value
        if isinstance(value, str):
            keep = name in _FACTS and _FACT.fullmatch(value)
            return value if keep else self.text(value, False, "text")
        if isinstance(value, Mapping) and _FACTS.issuperset(value):
            return {str(inner): self._fact(str(inner), item) for inner, item in value.items()}
        return hidden("text", len(_dumped(value)))

    def named(self, name: str, value: str) -> str:
        """The text, or a marker in its place when the name it stands under calls it a secret."""
        if not name or not self.policy.secrets:
            return value
        kind = _kind_of_name(name)
        if kind is None or not value.strip() or _is_reference(value):
            return value
        self.count += 1
        return f"[redacted:{kind}]"

    def _clean(self, value: Json, name: str, depth: int) -> Json:
        """The value clean; the value itself where nothing in it has to change."""
        if isinstance(value, str):
            text = self.scanned(self.named(name, value)) or ""
            self._most_chars += _MOST_PER_CHAR * len(text) + _MOST_PER_VALUE
            return text
        self._most_chars += _MOST_PER_VALUE
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (dict, Mapping)) and depth < _DEEPEST:
            return self._clean_mapping(value, depth)
        if isinstance(value, (list, tuple)) and depth < _DEEPEST:
            items = [self._clean(item, name, depth + 1) for item in value]
            return value if isinstance(value, list) and all(map(is_, items, value)) else items
        if isinstance(value, (int, float)):
            if isinstance(value, int):
                self._most_chars += value.bit_length()
            is_password = self.policy.secrets and _kind_of_name(name) == "password"
            return self.named(name, str(value)) if is_password else value
        return _too_deep()

    def _clean_mapping(self, value: Mapping[Any, Json], depth: int) -> Mapping[str, Json]:
        # {"name": "DB_PASSWORD", "value": "…"}: what `value` holds goes by the other's word.
        given = value.get("name", value.get("key"))
        clean: dict[str, Json] = {}
        same = isinstance(value, dict)
        harmless = self._harmless
        for key, item in value.items():
            name = given if key == "value" and isinstance(given, str) else str(key)
            new_key = key if key in harmless else self.scanned(str(key)) or ""
            while new_key in clean:
                new_key += "'"
            self._most_chars += _MOST_PER_CHAR * len(new_key)
            clean[new_key] = new_item = self._clean(item, name, depth + 1)
            same = same and new_item is item and new_key is key
        return value if same else clean


_REFERENCE = re.compile(
    r"\$\w+|\$?\{\{?[^{}]*\}\}?|\$\([^()]*\)|%\w+%|<[^<>]*>|\*+|\.{3}|\[redacted:[\w-]+\]"
    r"|(?:true|false|null|none|undefined)|\[[a-z ]+ hidden: \d+ chars\]",
    re.IGNORECASE,
)


def _is_reference(value: str) -> bool:
    """Whether the text only stands for a value: a variable, a placeholder, a marker of ours."""
    return _REFERENCE.fullmatch(value.strip()) is not None


def _too_deep() -> str:
    return f"[cut: nested deeper than {_DEEPEST}]"


def _dumped(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""


def _is_surely_short(value: Json, most: int) -> bool:
    """Whether its JSON, written with spaces, has no more characters; False where it may have."""
    try:
        return 3 * len(msgspec.json.encode(value)) <= most
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return False


def _shortened(value: Json, most: int) -> Json:
    """`value` with its longest texts cut until its JSON is not too long.

    Where many short ones add up, it becomes the beginning and the end of that JSON.
    """
    if _is_surely_short(value, most) or len(_dumped(value)) <= most:
        return value
    text_most = most - most // 16
    while text_most >= _SHORTEST_TEXT:
        shorter = _cut_texts(value, text_most)
        if len(_dumped(shorter)) <= most:
            return shorter
        text_most //= 2
    return cut_text(_dumped(value), most)


def _cut_texts(value: Json, most: int) -> Json:
    if isinstance(value, str):
        return cut_text(value, most)
    if isinstance(value, Mapping):
        return {key: _cut_texts(item, most) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_texts(item, most) for item in value]
    return value


def cut_text(text: str, most: int) -> str:
    """A text of at most so many characters: its beginning, a note, its end."""
    if len(text) <= most:
        return text
    note = f"\n[cut: {len(text)} chars in all]\n"
    tail = (most - len(note)) // 4
    head = most - len(note) - tail
    return text[:head] + note + text[len(text) - tail :]


def texts_in(value: Json, depth: int = 0) -> list[str]:
    """Every text in a JSON value, names of members left out."""
    if isinstance(value, str):
        return [value]
    if depth > _DEEPEST or not isinstance(value, (Mapping, list, tuple)):
        return []
    inner = value.values() if isinstance(value, Mapping) else value
    return [text for item in inner for text in texts_in(item, depth + 1)]


# --- content an agent wraps into messages of the user's role

_WRAPPED = (
    "bash-input",
    "bash-stdout",
    "bash-stderr",
    "local-command-stdout",
    "local-command-stderr",
    "task-notification",
    "system-reminder",
)
_OPENING = re.compile(rf"<({'|'.join(_WRAPPED)})>")


def _without_wrapped(text: str, policy: Policy) -> str:
    """`text` without the tool content in it: all of it goes when either tool switch is off."""
    if policy.tools:
        return text
    pieces, at = [], 0
    for opening in _OPENING.finditer(text):
        if opening.start() < at:
            continue
        end = text.find(f"</{opening.group(1)}>", opening.end())
        end = end if end >= 0 else len(text)
        inner = text[opening.end() : end]
        shown = inner if _MARKER.fullmatch(inner) else hidden("tool content", len(inner))
        pieces += [text[at : opening.end()], shown]
        at = end
    return "".join([*pieces, text[at:]])
