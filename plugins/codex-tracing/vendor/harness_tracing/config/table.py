"""The table of settings: what may be set, by which variable, and what of it is a project's."""

from __future__ import annotations

from harness_tracing.config.layers import Setting
from harness_tracing.config.settings import DEFAULT_MAX_VALUE_CHARS, SHORTEST_MAX_VALUE_CHARS
from harness_tracing.config.values import (
    attributes,
    count,
    gates,
    join_trace,
    patterns,
    seconds,
    shape,
    switch,
    text,
    traceparent,
    untraced,
)
from harness_tracing.paths import HOME_VARIABLE, absolute


def _content(field: str, variable: str, meaning: str) -> Setting:
    """A switch that hides when it cannot be understood: hidden can be shown, not the reverse."""
    return Setting(
        field, (variable,), switch, True, "less", True, unreadable=False, meaning=meaning
    )


_NAMES = ("ARIZE_PROJECT_NAME", "PHOENIX_PROJECT")
ATTRIBUTES = Setting(
    "resource_attributes",
    ("OTEL_RESOURCE_ATTRIBUTES",),
    attributes,
    {},
    meaning="attributes of your own on every span: `name: text` lines, or `name=text,…`",
)
TABLE = (
    Setting(
        "untraced",
        ("HARNESS_UNTRACED",),
        untraced,
        False,
        "anything",
        in_file=False,
        meaning="`1`: nothing of this session is captured, whatever else is set",
    ),
    Setting(
        "enabled",
        ("ARIZE_TRACE_ENABLED",),
        switch,
        True,
        "anything",
        True,
        meaning="whether sessions are traced",
    ),
    Setting(
        "project",
        _NAMES,
        text,
        "default",
        "anything",
        True,
        meaning="the project that sessions are filed under",
    ),
    Setting(
        "user_id",
        ("ARIZE_USER_ID",),
        text,
        None,
        per_agent=True,
        meaning="`user.id` on every span",
    ),
    _content("log_prompts", "ARIZE_LOG_PROMPTS", "whether prompts and answers are recorded"),
    _content(
        "log_tool_details",
        "ARIZE_LOG_TOOL_DETAILS",
        "whether what tools were asked is recorded: commands, paths, URLs",
    ),
    _content(
        "log_tool_content",
        "ARIZE_LOG_TOOL_CONTENT",
        "whether what tools returned is recorded",
    ),
    Setting(
        "redact_secrets",
        (),
        switch,
        True,
        meaning="whether what looks like a key or a password is replaced before it is stored",
    ),
    Setting(
        "secret_patterns",
        (),
        patterns,
        (),
        meaning="rules of your own for secrets: lines of `kind: regular expression`",
    ),
    Setting(
        "max_value_chars",
        (),
        count(SHORTEST_MAX_VALUE_CHARS),
        DEFAULT_MAX_VALUE_CHARS,
        meaning="how many characters of one value are kept",
    ),
    Setting(
        "shape",
        ("ARIZE_TRACE_SHAPE",),
        shape,
        "turns",
        meaning="`turns` (one LLM span a turn) or `calls` (one a model call)",
    ),
    Setting("verbose", ("ARIZE_VERBOSE",), switch, False, meaning="log each hook as it fires"),
    Setting("dry_run", ("ARIZE_DRY_RUN",), switch, False, meaning="do everything but send"),
    Setting(
        "log_file",
        ("ARIZE_LOG_FILE",),
        absolute,
        None,
        meaning="one log file instead of `logs/<agent>.log`",
    ),
    Setting(
        "retention_days",
        (),
        count(1),
        None,
        meaning="sessions without an event for so many days are deleted; without it none is",
    ),
    # Hooks act on it, and they read no config.yaml.
    Setting(
        "export_wait_s",
        ("ARIZE_EXPORT_WAIT_S",),
        seconds,
        0,
        in_file=False,
        meaning="how many seconds the end of a turn or session waits for its delivery",
    ),
    Setting(
        "join_trace",
        ("ARIZE_JOIN_TRACE",),
        join_trace,
        "link",
        meaning="how turns join an outer trace: `link`, `child` or `off`",
    ),
    Setting(
        "traceparent",
        ("TRACEPARENT",),
        traceparent,
        None,
        in_file=False,
        meaning="the outer trace (W3C) that turns join",
    ),
    ATTRIBUTES,
    # No project's files may say it: theirs is what its Makefile and the like declare.
    Setting(
        "gates",
        (),
        gates,
        {},
        meaning="the command each project has to pass: lines of `project: make check`",
    ),
)
HOME = Setting(
    "home",
    (HOME_VARIABLE,),
    absolute,
    None,
    in_file=False,
    meaning="where all our files lie, instead of `~/.arize/harness`",
)
