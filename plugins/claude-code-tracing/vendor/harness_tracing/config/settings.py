"""The values of a configuration: what holds, and where each of it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal, Optional

from harness_tracing.destinations import Destination, Shape, Target
from harness_tracing.paths import Home

# Twelve of the longest values of 128 Ki characters still fit a span into the 4 MiB that a gRPC
# receiver takes by default, and what agents show to their models is seldom a fourth of one.
DEFAULT_MAX_VALUE_CHARS = 131_072
SHORTEST_MAX_VALUE_CHARS = 256

JoinTrace = Literal["link", "child", "off"]


class Source(Enum):
    """Whose word a value is; the text is what a user reads."""

    ARGUMENT = "command line"
    ENV = "environment"
    USER = "agent's user settings"
    PROJECT = "project settings"
    CONFIG = "config.yaml"
    DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """Where a value came from: the source and the variable or key there."""

    source: Source
    name: str = ""


@dataclass(frozen=True)
class SecretPattern:
    """A user's own rule for secrets: what matches becomes ``[redacted:<kind>]``.

    Where the pattern has a group named ``secret`` only that part is replaced.
    """

    kind: str
    regex: re.Pattern[str]


@dataclass(frozen=True)
class Settings:
    """What holds for a session. `origins` says for each of the other fields where it came from.

    Paths are absolute. `retention_days` None keeps sessions for ever. `export_wait_s` is how long
    the end of a turn or session waits for its delivery; `traceparent` is the outer trace (W3C)
    that turns join as `join_trace` says. `gates` are the commands that projects have to pass, by
    the projects' names. `warnings` are sentences for the user about what was passed over and why;
    no secret is in them.

    `destinations` can be sent to now. `incomplete` names those that lack credentials, or a safe
    way for these: rows for them may be written, and delivered when somebody gives them.
    """

    home: Home
    enabled: bool
    untraced: bool
    project: str
    user_id: Optional[str]
    log_prompts: bool
    log_tool_details: bool
    log_tool_content: bool
    redact_secrets: bool
    secret_patterns: tuple[SecretPattern, ...]
    max_value_chars: int
    shape: Shape
    verbose: bool
    dry_run: bool
    log_file: Optional[Path]
    retention_days: Optional[int]
    resource_attributes: Mapping[str, str]
    export_wait_s: int
    join_trace: JoinTrace
    traceparent: Optional[str]
    gates: Mapping[str, str]
    destinations: tuple[Destination, ...] = ()
    incomplete: tuple[Target, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
