"""Destinations as variables and config.yaml give them; test_config_trust.py: with which keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness_tracing.config import Origin, Settings, Source, load
from harness_tracing.destinations import Destination, Target
from harness_tracing.errors import ConfigError

AX = {"ARIZE_API_KEY": "ak-1", "ARIZE_SPACE_ID": "space-1"}
AX_HEADERS = {
    "authorization": "ak-1",
    "api_key": "ak-1",
    "arize-space-id": "space-1",
    "space_id": "space-1",
}
AX_URL = "https://otlp.arize.com/v1/traces"
PHOENIX = {"PHOENIX_ENDPOINT": "http://localhost:6006"}
PHOENIX_URL = "http://localhost:6006/v1/traces"
OTLP = "OTEL_EXPORTER_OTLP_"


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def write_config(user: dict[str, str], text: str) -> Path:
    path = Path(user["HOME"]) / ".arize" / "harness" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def only(settings: Settings) -> Destination:
    (destination,) = settings.destinations
    assert settings.incomplete == ()
    return destination


def test_without_any_word_of_it_nothing_is_sent(user: dict[str, str]) -> None:
    settings = load({**user, "HTTPS_PROXY": "http://p:1", OTLP + "PROTOCOL": "grpc"})

    assert (settings.destinations, settings.incomplete, settings.warnings) == ((), (), ())


# --- each kind by variables


def test_ax_needs_a_key_and_a_space(user: dict[str, str]) -> None:
    destination = only(load({**user, **AX}, agent="claude-code"))

    target = Target("ax", AX_URL, "claude-code", "space-1")
    assert destination == Destination("ax", target, AX_HEADERS)


@pytest.mark.parametrize(
    ("endpoint", "url", "protocol"),
    [
        ("https://otlp.eu-west-1a.arize.com/v1", "https://otlp.eu-west-1a.arize.com/v1/traces", 0),
        ("https://ax.corp:8443/v1", "https://ax.corp:8443/v1/traces", 0),
        ("otlp.arize.com:443", "https://otlp.arize.com:443", 1),
    ],
)
def test_ax_elsewhere_and_by_grpc(
    user: dict[str, str], endpoint: str, url: str, protocol: int
) -> None:
    destination = only(load({**user, **AX, "ARIZE_OTLP_ENDPOINT": endpoint}))

    assert destination.target.endpoint == url
    assert destination.target.protocol == ("http", "grpc")[protocol]
    assert destination.headers == AX_HEADERS


def test_phoenix_needs_no_key_and_takes_one(user: dict[str, str]) -> None:
    without = only(load({**user, **PHOENIX}))
    secured = only(load({**user, **PHOENIX, "PHOENIX_API_KEY": "px"}))

    assert without.target == Target("phoenix", PHOENIX_URL, "default")
    assert without.headers == {}
    assert secured.headers == {"authorization": "Bearer px"}
    assert secured.target == without.target


def test_phoenix_by_grpc(user: dict[str, str]) -> None:
    target = only(load({**user, "PHOENIX_ENDPOINT": "localhost:4317"})).target

    assert (target.endpoint, target.protocol) == ("http://localhost:4317", "grpc")


def test_otlp_as_opentelemetry_defines_its_variables(user: dict[str, str]) -> None:
    given = {
        OTLP + "ENDPOINT": "https://c.example:4318/otel",
        OTLP + "HEADERS": "x-tenant=a%20b,authorization=Basic%20dTpw",
        OTLP + "CERTIFICATE": "/etc/ca.pem",
        OTLP + "TIMEOUT": "2500",
    }

    destination = only(load({**user, **given}))

    assert destination.target == Target("otlp", "https://c.example:4318/otel/v1/traces", "default")
    assert destination.headers == {"x-tenant": "a b", "authorization": "Basic dTpw"}
    assert destination.certificate == Path("/etc/ca.pem")
    assert destination.timeout_s == 2.5


def test_variables_of_the_traces_signal_come_first(user: dict[str, str]) -> None:
    general = {"ENDPOINT": "http://a:1", "HEADERS": "a=1", "TIMEOUT": "1000", "PROTOCOL": "grpc"}
    traces = {
        "TRACES_ENDPOINT": "https://b/own/path",
        "TRACES_HEADERS": "b=2",
        "TRACES_TIMEOUT": "2000",
        "TRACES_PROTOCOL": "http/protobuf",
    }
    given = {OTLP + name: value for name, value in {**general, **traces}.items()}

    destination = only(load({**user, **given}))

    assert destination.target.endpoint == "https://b/own/path"
    assert destination.target.protocol == "http"
    assert (destination.headers, destination.timeout_s) == ({"b": "2"}, 2.0)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"ENDPOINT": "http://c:4317", "PROTOCOL": "grpc"}, "http://c:4317"),
        ({"ENDPOINT": "https://c", "PROTOCOL": "grpc"}, "https://c:443"),
        ({"ENDPOINT": "c:4317"}, "https://c:4317"),
        ({"ENDPOINT": "c:4317", "INSECURE": "true"}, "http://c:4317"),
        ({"ENDPOINT": "c:4317", "TRACES_INSECURE": "false", "INSECURE": "true"}, "https://c:4317"),
    ],
)
def test_otlp_by_grpc(user: dict[str, str], given: dict[str, str], url: str) -> None:
    target = only(load({**user, **{OTLP + name: text for name, text in given.items()}})).target

    assert (target.endpoint, target.protocol) == (url, "grpc")


def test_otlp_as_json_is_said_to_be_unsupported(user: dict[str, str]) -> None:
    given = {OTLP + "ENDPOINT": "http://c:4318", OTLP + "PROTOCOL": "http/json"}

    settings = load({**user, **given})

    assert only(settings).target.protocol == "http"
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in settings.warnings[0]
    assert "http/protobuf or grpc" in settings.warnings[0]


def test_a_timeout_nobody_understands_is_passed_over(user: dict[str, str]) -> None:
    for wrong in ("soon", "0", "-1", "9" * 400, "1.5"):
        given = {OTLP + "ENDPOINT": "http://localhost:4318", OTLP + "TIMEOUT": wrong}
        settings = load({**user, **given})
        assert only(settings).timeout_s == 10.0
        assert "milliseconds" in settings.warnings[0]


def test_the_agents_user_settings_give_destinations_too(user: dict[str, str]) -> None:
    """Claude Code strips OTEL_* from the environment of hooks."""
    given = {OTLP + "ENDPOINT": "http://localhost:4318", **AX}

    settings = load(user, user_env=given)

    assert [each.name for each in settings.destinations] == ["ax", "otlp"]
    endpoint = settings.origins["destinations.otlp.endpoint"]
    assert endpoint == Origin(Source.USER, OTLP + "ENDPOINT")
    assert settings.origins["destinations.ax.endpoint"].source is Source.DEFAULT


def test_several_at_once(user: dict[str, str]) -> None:
    settings = load({**user, **AX, **PHOENIX, OTLP + "ENDPOINT": "http://localhost:4318"})

    assert [each.name for each in settings.destinations] == ["ax", "phoenix", "otlp"]
    assert settings.warnings == ()


def test_user_and_password_of_an_endpoint_become_a_header(user: dict[str, str]) -> None:
    destination = only(load({**user, OTLP + "ENDPOINT": "https://ann:pw@c"}))
    keyed = only(load({**user, "PHOENIX_ENDPOINT": "https://ann:pw@c", "PHOENIX_API_KEY": "k"}))

    assert destination.headers == {"authorization": "Basic YW5uOnB3"}
    assert destination.target.endpoint == "https://c/v1/traces"
    assert keyed.headers == {"authorization": "Bearer k"}


# --- config.yaml


FULL = """\
shape: calls
destinations:
  ax:
    api_key: ak-1
    space_id: space-1
    project: team
    shape: turns
    log_tool_content: false
  phoenix:
    endpoint: http://localhost:6006
    stream: true
  corp:
    kind: otlp
    endpoint: grpcs://otel.corp:4317
    headers: {x-tenant: a}
    certificate: ~/ca.pem
    log_prompts: false
    log_tool_details: no
  old:
    kind: phoenix
    endpoint: https://old.corp
    protocol: http/protobuf
    enabled: false
"""


def test_destinations_of_the_config(user: dict[str, str]) -> None:
    write_config(user, FULL)

    settings = load(user, agent="claude-code")
    ax, phoenix, corp = settings.destinations

    assert settings.warnings == ()
    assert ax.target == Target("ax", AX_URL, "team", "space-1", log_tool_content=False)
    assert ax.headers == AX_HEADERS
    assert phoenix.target == Target(
        "phoenix", PHOENIX_URL, "claude-code", shape="calls", stream=True
    )
    assert corp == Destination(
        "corp",
        Target(
            "otlp",
            "https://otel.corp:4317",
            "claude-code",
            protocol="grpc",
            shape="calls",
            log_prompts=False,
            log_tool_details=False,
        ),
        {"x-tenant": "a"},
        certificate=Path(user["HOME"]) / "ca.pem",
    )


def test_variables_override_the_destination_of_their_name_field_by_field(
    user: dict[str, str],
) -> None:
    write_config(
        user,
        "destinations:\n"
        "  ax: {api_key: from-file, space_id: space-1, shape: calls, project: team}\n"
        "  mine: {kind: phoenix, endpoint: 'http://localhost:1'}\n",
    )
    given = {"ARIZE_API_KEY": "from-env", "PHOENIX_ENDPOINT": "http://localhost:2"}

    ax, mine, phoenix = load({**user, **given}).destinations

    assert ax.headers["authorization"] == "from-env"
    assert ax.target == Target("ax", AX_URL, "team", "space-1", shape="calls")
    assert mine.target.endpoint == "http://localhost:1/v1/traces"
    assert phoenix.target.endpoint == "http://localhost:2/v1/traces"


def test_a_destination_turned_off_stays_off_with_its_variables_set(user: dict[str, str]) -> None:
    write_config(user, "destinations:\n  otlp:\n    enabled: false\n")

    settings = load({**user, OTLP + "ENDPOINT": "http://localhost:4318"})

    assert (settings.destinations, settings.incomplete, settings.warnings) == ((), (), ())


def test_the_global_shape_is_the_default_of_each(user: dict[str, str]) -> None:
    write_config(user, f"destinations:\n  phoenix: {{shape: turns, endpoint: '{PHOENIX_URL}'}}\n")

    settings = load({**user, **AX, "ARIZE_TRACE_SHAPE": "calls"})

    shapes = {each.name: each.target.shape for each in settings.destinations}
    assert shapes == {"phoenix": "turns", "ax": "calls"}


def test_verdicts_follow_unless_the_user_says_otherwise(user: dict[str, str]) -> None:
    write_config(user, f"destinations:\n  phoenix: {{endpoint: '{PHOENIX_URL}'}}\n")
    assert only(load(user)).annotations
    write_config(
        user, f"destinations:\n  phoenix: {{annotations: false, endpoint: '{PHOENIX_URL}'}}\n"
    )
    assert not only(load(user)).annotations


def test_turns_are_not_streamed(user: dict[str, str]) -> None:
    write_config(user, f"destinations:\n  phoenix: {{stream: true, endpoint: '{PHOENIX_URL}'}}\n")

    settings = load(user)

    assert not only(settings).target.stream
    assert "shape: calls" in settings.warnings[0]


@pytest.mark.parametrize(
    ("given", "projects"),
    [
        ({}, ["claude-code", "claude-code"]),
        ({"ARIZE_PROJECT_NAME": "shop"}, ["shop", "shop"]),
        ({"PHOENIX_PROJECT": "px"}, ["px", "px"]),
        ({"ARIZE_PROJECT_NAME": "shop", "PHOENIX_PROJECT": "px"}, ["shop", "px"]),
    ],
)
def test_the_project_is_the_sessions_unless_a_destination_has_its_own(
    user: dict[str, str], given: dict[str, str], projects: list[str]
) -> None:
    settings = load({**user, **AX, **PHOENIX, **given}, agent="claude-code")
    write_config(user, "destinations:\n  ax: {project: own}\n  phoenix: {project: own}\n")
    with_own = load({**user, **AX, **PHOENIX, **given}, agent="claude-code")

    assert [each.target.project for each in settings.destinations] == projects
    own = given.get("PHOENIX_PROJECT", "own")
    assert [each.target.project for each in with_own.destinations] == ["own", own]


def test_a_project_file_names_the_project_at_every_destination(user: dict[str, str]) -> None:
    theirs = {"ARIZE_PROJECT_NAME": "cloned"}

    settings = load({**user, **AX, **theirs}, project_env=theirs)

    assert only(settings).target.project == "cloned"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("destinations: ak-secret", "destinations in"),
        ("destinations: [ax]", "destinations in"),
        ("destinations: {ax: ak-secret}", "destinations.ax in"),
        ("destinations: {mine: {endpoint: 'http://c'}}", "destinations.mine.kind"),
        ("destinations: {mine: {kind: jaeger}}", "ax, phoenix, otlp"),
        ("destinations: {mine: {kind: [ax]}}", "destinations.mine.kind"),
        ("destinations: {ax: {kind: phoenix}}", "destinations.ax.kind"),
        ("destinations: {'a b': {kind: ax}}", "names of destinations"),
        ("destinations: {ax: {api_key: 'ak secret', space_id: s}}", "destinations.ax.api_key"),
        ("destinations: {ax: {api_key: 17, space_id: s}}", "quotes"),
        ("destinations: {ax: {api_key: ak-secret, space_id: 17}}", "destinations.ax.space_id"),
        ("destinations: {phoenix: {endpoint: 'ak-secret'}}", "destinations.phoenix.endpoint"),
        ("destinations: {phoenix: {endpoint: 17}}", "destinations.phoenix.endpoint"),
        ("destinations: {phoenix: {endpoint: 'h:1', protocol: soap}}", "http/protobuf or grpc"),
        ("destinations: {phoenix: {endpoint: 'h:1', shape: round}}", "turns or calls"),
        ("destinations: {phoenix: {endpoint: 'h:1', log_prompts: ak-secret}}", "true or false"),
        ("destinations: {phoenix: {endpoint: 'h:1', enabled: 7}}", "true or false"),
        ("destinations: {phoenix: {endpoint: 'h:1', certificate: ca.pem}}", "absolute path"),
        ("destinations: {phoenix: {endpoint: 'h:1', headers: {a: 17}}}", "quotes"),
        ("destinations: {phoenix: {endpoint: 'h:1', headers: {a: \"ak-secret\\n\"}}}", "one line"),
        ("destinations: {phoenix: {endpoint: 'h:1', project: {}}}", "a text"),
    ],
)
def test_what_is_wrong_in_the_config_is_named_and_not_repeated(
    user: dict[str, str], lines: str, named: str
) -> None:
    path = write_config(user, lines + "\n")

    with pytest.raises(ConfigError) as error:
        load(user)

    assert str(path) in str(error.value)
    assert named in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("lines", ["destinations:", "destinations: {}", "destinations: {ax: }"])
def test_nothing_said_of_destinations_is_no_error(user: dict[str, str], lines: str) -> None:
    write_config(user, lines + "\n")

    assert load(user).destinations == ()
    assert load({**user, **AX}).destinations != ()


def test_unknown_keys_are_warnings(user: dict[str, str]) -> None:
    write_config(
        user,
        "destinations:\n"
        f"  phoenix: {{endpoint: '{PHOENIX_URL}', apikey: k, space_id: s, timeout_s: 3}}\n",
    )

    warnings = load(user).warnings

    assert [warning.split(" in ")[0] for warning in warnings] == [
        f"destinations.phoenix.{key}" for key in ("apikey", "space_id", "timeout_s")
    ]
    assert "api_key, certificate, enabled" in warnings[0]


# --- what is missing


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"ARIZE_API_KEY": "ak-1"}, "ARIZE_SPACE_ID"),
        ({"ARIZE_OTLP_ENDPOINT": "https://h"}, "ARIZE_SPACE_ID"),
        ({"PHOENIX_API_KEY": "k"}, "PHOENIX_ENDPOINT"),
        ({OTLP + "HEADERS": "a=b"}, OTLP + "ENDPOINT"),
    ],
)
def test_a_destination_without_a_place_is_left_out_and_says_what_is_missing(
    user: dict[str, str], given: dict[str, str], missing: str
) -> None:
    settings = load({**user, **given})

    assert (settings.destinations, settings.incomplete) == ((), ())
    (warning,) = settings.warnings
    assert "left out" in warning
    assert missing in warning
    assert "config.yaml" in warning


def test_ax_without_a_key_is_known_by_its_target(user: dict[str, str]) -> None:
    settings = load({**user, "ARIZE_SPACE_ID": "space-1"}, agent="claude-code")
    given = load({**user, **AX}, agent="claude-code")

    assert settings.destinations == ()
    assert settings.incomplete == (only(given).target,)
    assert "ARIZE_API_KEY" in settings.warnings[0]
    assert "destinations.ax.api_key" in settings.warnings[0]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PHOENIX_ENDPOINT", "not an endpoint"),
        ("PHOENIX_ENDPOINT", "https://c/?key=s3cr3t"),
        (OTLP + "ENDPOINT", "ftp://s3cr3t@c"),
        ("ARIZE_SPACE_ID", "s3cr3t s3cr3t"),
    ],
)
def test_a_place_nobody_understands_is_not_replaced_by_another(
    user: dict[str, str], variable: str, value: str
) -> None:
    write_config(
        user,
        "destinations:\n"
        "  ax: {api_key: k, space_id: s}\n"
        "  phoenix: {endpoint: 'http://localhost:1'}\n"
        "  otlp: {endpoint: 'http://localhost:2'}\n",
    )

    settings = load({**user, variable: value})

    assert len(settings.destinations) == 2
    assert settings.incomplete == ()
    assert variable in settings.warnings[0]
    assert "s3cr3t" not in settings.warnings[0]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PHOENIX_API_KEY", "s3cr3t\nx"),
        ("HTTPS_PROXY", "socks5://s3cr3t@p:1"),
        (OTLP + "CERTIFICATE", "s3cr3t.pem"),
    ],
)
def test_what_would_reach_a_destination_and_cannot_makes_it_wait(
    user: dict[str, str], variable: str, value: str
) -> None:
    """Sent without its key, past its proxy or without its CA it would be somebody else's."""
    settings = load({**user, "PHOENIX_ENDPOINT": "https://px.corp", variable: value})

    assert settings.destinations == ()
    assert settings.incomplete == (Target("phoenix", "https://px.corp/v1/traces", "default"),)
    assert variable in settings.warnings[0]
    assert "s3cr3t" not in settings.warnings[0]


def test_credentials_in_the_clear_are_a_warning_unless_they_stay_here(
    user: dict[str, str],
) -> None:
    def warnings(endpoint: str, **more: str) -> tuple[str, ...]:
        return load({**user, "PHOENIX_ENDPOINT": endpoint, **more}).warnings

    (warning,) = warnings("http://px.corp:6006", PHOENIX_API_KEY="k")
    assert "unencrypted" in warning
    assert warnings("http://px.corp:6006") == ()
    assert warnings("http://localhost:6006", PHOENIX_API_KEY="k") == ()
    assert warnings("https://px.corp:6006", PHOENIX_API_KEY="k") == ()


# --- two that are one


TWICE = [
    ("{kind: phoenix, endpoint: 'http://localhost:6006', project: b}", "one Phoenix server"),
    ("{kind: phoenix, endpoint: 'http://127.0.0.1:6006/v1/traces'}", "one Phoenix server"),
    ("{kind: otlp, endpoint: 'http://localhost:6006'}", "one Phoenix server"),
]


@pytest.mark.parametrize(("second", "why"), TWICE)
def test_one_phoenix_twice_in_the_config_is_an_error(
    user: dict[str, str], second: str, why: str
) -> None:
    write_config(
        user,
        "destinations:\n"
        "  one: {kind: phoenix, endpoint: 'http://localhost:6006', project: a}\n"
        f"  two: {second}\n",
    )

    with pytest.raises(ConfigError, match="one and two") as error:
        load(user)

    assert why in str(error.value)


@pytest.mark.parametrize(("second", "why"), TWICE)
def test_with_a_variable_behind_one_the_first_wins(
    user: dict[str, str], second: str, why: str
) -> None:
    write_config(user, f"destinations:\n  mine: {second}\n")

    settings = load({**user, **PHOENIX})

    assert only(settings).name == "mine"
    assert why in settings.warnings[0]
    assert "only mine is used" in settings.warnings[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("kind: ax, space_id: s, api_key: k", "kind: ax, space_id: s, api_key: k2"),
        ("kind: otlp, endpoint: 'http://c'", "kind: otlp, endpoint: 'HTTP://C:80/v1/traces'"),
    ],
)
def test_the_same_place_twice_is_an_error(user: dict[str, str], first: str, second: str) -> None:
    write_config(user, f"destinations:\n  one: {{{first}}}\n  two: {{{second}}}\n")

    with pytest.raises(ConfigError, match="twice"):
        load(user)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("kind: ax, space_id: s, api_key: k", "kind: ax, space_id: s, api_key: k, project: p"),
        ("kind: ax, space_id: s, api_key: k", "kind: ax, space_id: t, api_key: k"),
        ("kind: otlp, endpoint: 'http://c'", "kind: otlp, endpoint: 'http://c', project: p"),
        ("kind: phoenix, endpoint: 'http://c:1'", "kind: phoenix, endpoint: 'http://c:2'"),
        ("kind: phoenix, endpoint: 'http://c/s/a'", "kind: phoenix, endpoint: 'http://c/s/b'"),
    ],
)
def test_two_places_are_two(user: dict[str, str], first: str, second: str) -> None:
    write_config(user, f"destinations:\n  one: {{{first}}}\n  two: {{{second}}}\n")

    settings = load(user)

    assert [each.name for each in settings.destinations] == ["one", "two"]


def test_both_ports_of_what_may_be_one_phoenix_are_a_warning(user: dict[str, str]) -> None:
    write_config(
        user,
        "destinations:\n"
        "  one: {kind: phoenix, endpoint: 'http://localhost:6006'}\n"
        "  two: {kind: phoenix, endpoint: '127.0.0.1:4317'}\n",
    )

    settings = load(user)

    assert len(settings.destinations) == 2
    assert "ports of one Phoenix" in settings.warnings[0]


# --- proxies


def proxy_of(env: dict[str, str], **more: Any) -> Any:
    return only(load(env, **more)).proxy


def test_the_usual_variables_name_the_proxy(user: dict[str, str]) -> None:
    given = {"HTTPS_PROXY": "http://ann:pw@proxy:3128", "http_proxy": "plain:1"}

    assert proxy_of({**user, **AX, **given}) == "http://ann:pw@proxy:3128"
    assert proxy_of({**user, **AX, **given, "https_proxy": "lower:2"}) == "http://lower:2"
    assert proxy_of({**user, **AX, "ALL_PROXY": "any:3"}) == "http://any:3"
    assert proxy_of({**user, **AX}, user_env=given) == "http://ann:pw@proxy:3128"
    http = {OTLP + "ENDPOINT": "http://c.corp:4318"}
    assert proxy_of({**user, **http, **given}) == "http://plain:1"
    assert proxy_of({**user, **http, **given, "NO_PROXY": "corp"}) is None
    assert proxy_of({**user, **http, **given, "no_proxy": "corp:1"}) == "http://plain:1"


def test_this_machine_is_reached_directly(user: dict[str, str]) -> None:
    given = {"HTTP_PROXY": "http://proxy:3128", "ALL_PROXY": "socks5://p:1"}

    assert proxy_of({**user, **PHOENIX, **given}) is None


# --- certificates


def test_the_own_ca_is_for_receivers_of_ones_own(user: dict[str, str]) -> None:
    own = {OTLP + "CERTIFICATE": "/etc/own.pem"}

    def certificate(**given: str) -> Any:
        return only(load({**user, **own, **given})).certificate

    assert certificate(**AX) is None
    assert certificate(**AX, ARIZE_OTLP_ENDPOINT="https://ax.corp") == Path("/etc/own.pem")
    assert certificate(PHOENIX_ENDPOINT="https://px.corp") == Path("/etc/own.pem")
    assert certificate(**{OTLP + "ENDPOINT": "https://otlp.arize.com"}) == Path("/etc/own.pem")
    write_config(user, "destinations:\n  ax: {certificate: /etc/for-ax.pem}\n")
    assert certificate(**AX) == Path("/etc/for-ax.pem")
