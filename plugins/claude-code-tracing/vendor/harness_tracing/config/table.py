"""The table of settings: what may be set, by which variable, and what of it is a project's."""

from __future__ import annotations

from harness_tracing.config.layers import Setting
from harness_tracing.config.settings import DEFAULT_MAX_VALUE_CHARS, SHORTEST_MAX_VALUE_CHARS
from harness_tracing.config.values import (
    attributes,
    count,
    join_trace,
    path,
    patterns,
    seconds,
    shape,
    switch,
    text,
    traceparent,
    untraced,
)


def _content(field: str, variable: str) -> Setting:
    """A switch that hides when it cannot be understood: hidden can be shown, not the reverse."""
    return Setting(field, (variable,), switch, True, "less", True, unreadable=False)


_NAMES = ("ARIZE_PROJECT_NAME", "PHOENIX_PROJECT")
ATTRIBUTES = Setting("resource_attributes", ("OTEL_RESOURCE_ATTRIBUTES",), attributes, {})
TABLE = (
    Setting("untraced", ("HARNESS_UNTRACED",), untraced, False, "anything", in_file=False),
    Setting("enabled", ("ARIZE_TRACE_ENABLED",), switch, True, "anything", True),
    Setting("project", _NAMES, text, "default", "anything", True),
    Setting("user_id", ("ARIZE_USER_ID",), text, None, per_agent=True),
    _content("log_prompts", "ARIZE_LOG_PROMPTS"),
    _content("log_tool_details", "ARIZE_LOG_TOOL_DETAILS"),
    _content("log_tool_content", "ARIZE_LOG_TOOL_CONTENT"),
    Setting("redact_secrets", (), switch, True),
    Setting("secret_patterns", (), patterns, ()),
    Setting("max_value_chars", (), count(SHORTEST_MAX_VALUE_CHARS), DEFAULT_MAX_VALUE_CHARS),
    Setting("shape", ("ARIZE_TRACE_SHAPE",), shape, "turns"),
    Setting("verbose", ("ARIZE_VERBOSE",), switch, False),
    Setting("dry_run", ("ARIZE_DRY_RUN",), switch, False),
    Setting("log_file", ("ARIZE_LOG_FILE",), path, None),
    Setting("retention_days", (), count(1), None),
    # Hooks act on it, and they read no config.yaml.
    Setting("export_wait_s", ("ARIZE_EXPORT_WAIT_S",), seconds, 0, in_file=False),
    Setting("join_trace", ("ARIZE_JOIN_TRACE",), join_trace, "link"),
    Setting("traceparent", ("TRACEPARENT",), traceparent, None, in_file=False),
    ATTRIBUTES,
)
HOME = Setting("home", ("ARIZE_HARNESS_HOME",), path, None, in_file=False)
