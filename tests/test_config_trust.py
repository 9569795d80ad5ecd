"""Where a key may go and where it may not, and that no message ever holds one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tracing.config import Settings, Source, load
from harness_tracing.errors import ConfigError

EVIL = "https://evil.example/v1"
OWN = "https://own.corp/v1"
OWN_URL = "https://own.corp/v1/traces"
AX_URL = "https://otlp.arize.com/v1/traces"
OTLP = "OTEL_EXPORTER_OTLP_"


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def write_config(user: dict[str, str], text: str) -> None:
    path = Path(user["HOME"]) / ".arize" / "harness" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def loaded(
    user: dict[str, str],
    *,
    shell: dict[str, str] | None = None,
    settings: dict[str, str] | None = None,
    project: dict[str, str] | None = None,
) -> Settings:
    """The settings of a hook: an agent merges project over user's settings over the shell."""
    env = {**user, **(shell or {}), **(settings or {}), **(project or {})}
    return load(env, user_env=settings or {}, project_env=project or {})


def goes_to(settings: Settings) -> list[str]:
    return [each.target.endpoint for each in settings.destinations]


def waits_for(settings: Settings) -> list[str]:
    return [each.endpoint for each in settings.incomplete]


# --- levels: a key from here, an endpoint from there

KEY = {"ARIZE_API_KEY": "ak-key", "ARIZE_SPACE_ID": "s"}
AT = {"ARIZE_OTLP_ENDPOINT": OWN}
KEY_LINES = "destinations: {ax: {api_key: ak-key, space_id: s}}"
AT_LINES = f"destinations: {{ax: {{endpoint: '{OWN}'}}}}"
BOTH_LINES = f"destinations: {{ax: {{api_key: ak-key, space_id: s, endpoint: '{OWN}'}}}}"


@pytest.mark.parametrize(
    ("config", "shell", "settings", "endpoint"),
    [
        ("", KEY, {}, AX_URL),
        ("", {}, KEY, AX_URL),
        (KEY_LINES, {}, {}, AX_URL),
        ("", {**KEY, **AT}, {}, OWN_URL),
        ("", {}, {**KEY, **AT}, OWN_URL),
        (BOTH_LINES, {}, {}, OWN_URL),
        ("", KEY, AT, OWN_URL),
        (AT_LINES, KEY, {}, OWN_URL),
        (AT_LINES, {}, KEY, OWN_URL),
        (KEY_LINES, {}, AT, OWN_URL),
        (BOTH_LINES, {"ARIZE_OTLP_ENDPOINT": OWN + "/traces/"}, {}, OWN_URL),
    ],
)
def test_a_key_goes_to_its_own_level_a_file_or_the_vendor(
    user: dict[str, str],
    config: str,
    shell: dict[str, str],
    settings: dict[str, str],
    endpoint: str,
) -> None:
    write_config(user, config)

    found = loaded(user, shell=shell, settings=settings)

    assert goes_to(found) == [endpoint]
    assert found.destinations[0].headers["authorization"] == "ak-key"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("config", "shell", "settings", "key"),
    [
        (KEY_LINES, AT, {}, "destinations.ax.api_key (config.yaml)"),
        ("", AT, KEY, "ARIZE_API_KEY (agent's user settings)"),
    ],
)
def test_a_key_from_a_file_does_not_go_to_an_endpoint_of_the_environment(
    user: dict[str, str], config: str, shell: dict[str, str], settings: dict[str, str], key: str
) -> None:
    write_config(user, config)

    found = loaded(user, shell=shell, settings=settings)

    assert goes_to(found) == []
    assert waits_for(found) == [OWN_URL]
    (warning,) = found.warnings
    assert key in warning
    assert "ARIZE_OTLP_ENDPOINT (environment)" in warning


@pytest.mark.parametrize(
    ("lines", "shell"),
    [
        ("phoenix: {api_key: s3cr3t}", {"PHOENIX_ENDPOINT": "https://h"}),
        ("phoenix: {headers: {a: s3cr3t}}", {"PHOENIX_ENDPOINT": "https://h"}),
        ("otlp: {headers: {a: s3cr3t}}", {OTLP + "ENDPOINT": "https://h"}),
        ("otlp: {api_key: s3cr3t}", {OTLP + "TRACES_ENDPOINT": "https://h"}),
        ("phoenix: {api_key: s3cr3t, endpoint: 'http://h'}", {"HTTP_PROXY": "evil:1"}),
        ("phoenix: {endpoint: 'http://ann:s3cr3t@h'}", {"HTTP_PROXY": "evil:1"}),
        (
            "phoenix: {api_key: s3cr3t, endpoint: 'https://h'}",
            {"ALL_PROXY": "evil:1", OTLP + "CERTIFICATE": "/evil.pem"},
        ),
    ],
)
def test_nothing_is_sent_where_only_the_environment_says_who_reads_the_key(
    user: dict[str, str], lines: str, shell: dict[str, str]
) -> None:
    """Not without the key either: whoever gave one did not want turns to go without it."""
    write_config(user, f"destinations: {{{lines}}}")

    found = loaded(user, shell=shell)

    assert goes_to(found) == []
    assert len(found.incomplete) == 1
    assert next(iter(shell)) in found.warnings[-1]


@pytest.mark.parametrize(
    ("lines", "shell"),
    [
        ("api_key: s3cr3t, endpoint: 'https://h'", {"HTTPS_PROXY": "p:1"}),
        ("api_key: s3cr3t, endpoint: 'https://h'", {OTLP + "CERTIFICATE": "/own.pem"}),
        ("endpoint: 'http://h'", {"HTTP_PROXY": "p:1"}),
        ("api_key: s3cr3t, endpoint: 'http://localhost:1'", {"HTTP_PROXY": "p:1"}),
    ],
)
def test_a_proxy_of_the_environment_that_cannot_read_a_key_is_used(
    user: dict[str, str], lines: str, shell: dict[str, str]
) -> None:
    write_config(user, f"destinations: {{phoenix: {{{lines}}}}}")

    assert len(loaded(user, shell=shell).destinations) == 1


def test_the_environment_takes_encryption_away_from_no_endpoint_of_a_file(
    user: dict[str, str],
) -> None:
    write_config(user, "destinations: {otlp: {endpoint: 'c:4317', headers: {a: s3cr3t}}}")

    found = loaded(user, shell={OTLP + "INSECURE": "true"})

    assert goes_to(found) == ["https://c:4317"]


# --- a project's files

PLACES = {
    "ARIZE_OTLP_ENDPOINT": EVIL,
    "ARIZE_SPACE_ID": "evil",
    "PHOENIX_ENDPOINT": EVIL,
    OTLP + "ENDPOINT": EVIL,
    OTLP + "TRACES_ENDPOINT": EVIL,
}
ACCESS = {
    "ARIZE_API_KEY": "evil",
    "PHOENIX_API_KEY": "evil",
    OTLP + "HEADERS": "a=evil",
    OTLP + "TRACES_HEADERS": "a=evil",
    OTLP + "CERTIFICATE": "/evil.pem",
    "HTTPS_PROXY": "http://evil:1",
    "https_proxy": "http://evil:1",
    "ALL_PROXY": "http://evil:1",
}
USERS = {
    **KEY,
    "PHOENIX_ENDPOINT": "https://px.corp",
    "PHOENIX_API_KEY": "px-key",
    OTLP + "ENDPOINT": "https://otel.corp",
    OTLP + "HEADERS": "a=otel-key",
}
USERS_URLS = [AX_URL, "https://px.corp/v1/traces", "https://otel.corp/v1/traces"]
NAMES = {"ARIZE": "ax", "PHOENIX": "phoenix", "OTEL": "otlp"}


def nothing_evil(settings: Settings) -> bool:
    """Whether neither what is sent nor where shows any word of the project's."""
    told = [
        (each, dict(each.headers), each.proxy, each.certificate) for each in settings.destinations
    ]
    return "evil" not in f"{told} {settings.incomplete}"


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize(("variable", "value"), PLACES.items())
def test_where_a_project_hides_the_place_the_destination_is_left_out(
    user: dict[str, str], variable: str, value: str, empty: bool
) -> None:
    """Empty as well: with the endpoint emptied the key must not go to the vendor's."""
    found = loaded(user, shell=USERS, project={variable: "" if empty else value})

    name = NAMES[variable.split("_")[0]]
    assert name not in [each.name for each in found.destinations]
    assert len(found.destinations) == 2
    assert found.incomplete == ()
    assert nothing_evil(found)
    (warning,) = [each for each in found.warnings if "left out" in each]
    assert name in warning
    assert variable in warning
    assert "config.yaml" in warning


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize(("variable", "value"), ACCESS.items())
def test_where_a_project_hides_how_to_reach_it_a_destination_waits(
    user: dict[str, str], variable: str, value: str, empty: bool
) -> None:
    found = loaded(user, shell=USERS, project={variable: "" if empty else value})

    assert nothing_evil(found)
    assert found.incomplete
    assert sorted([*goes_to(found), *waits_for(found)]) == sorted(USERS_URLS)
    assert any(variable in each and "waits" in each for each in found.warnings)


IN_SETTINGS = {
    **USERS,
    "ARIZE_OTLP_ENDPOINT": OWN,
    OTLP + "TRACES_ENDPOINT": "https://otel.corp/v1/traces",
    OTLP + "TRACES_HEADERS": "a=otel-key",
    OTLP + "CERTIFICATE": "/own.pem",
    "https_proxy": "p.corp:1",
}
IN_CONFIG = f"""\
destinations:
  ax: {{api_key: ak-key, space_id: s, endpoint: '{OWN}', certificate: /own.pem}}
  phoenix: {{endpoint: 'https://px.corp', api_key: k, certificate: /own.pem}}
  otlp: {{endpoint: 'https://otel.corp', headers: {{a: k}}, certificate: /own.pem}}
"""


@pytest.mark.parametrize(
    ("variable", "value"),
    [each for each in {**PLACES, **ACCESS}.items() if each[0] != "https_proxy"],
)
def test_what_stands_in_the_users_settings_no_project_can_hide(
    user: dict[str, str], variable: str, value: str
) -> None:
    found = loaded(user, settings=IN_SETTINGS, project={variable: value})

    assert goes_to(found) == [OWN_URL, *USERS_URLS[1:]]
    assert nothing_evil(found)


@pytest.mark.parametrize(
    ("variable", "value"),
    [each for each in {**PLACES, **ACCESS}.items() if "proxy" not in each[0].lower()],
)
def test_what_stands_in_the_config_no_project_can_hide(
    user: dict[str, str], variable: str, value: str
) -> None:
    write_config(user, IN_CONFIG)

    found = loaded(user, project={variable: value})

    assert goes_to(found) == [OWN_URL, *USERS_URLS[1:]]
    assert nothing_evil(found)


@pytest.mark.parametrize(("variable", "value"), {**PLACES, **ACCESS}.items())
def test_a_project_alone_makes_no_destination(
    user: dict[str, str], variable: str, value: str
) -> None:
    for env in (user, {**user, variable: value}):
        found = load(env, project_env={variable: value})
        assert (found.destinations, found.incomplete) == ((), ())


def test_all_that_a_project_can_say_sends_nothing_anywhere(user: dict[str, str]) -> None:
    found = loaded(user, shell=USERS, project={**PLACES, **ACCESS})

    assert found.destinations == ()
    assert nothing_evil(found)


def test_what_is_passed_over_is_said_once(user: dict[str, str]) -> None:
    found = loaded(user, project={"PHOENIX_API_KEY": "evil", OTLP + "CERTIFICATE": "/evil.pem"})

    assert sorted(found.warnings) == [
        f"{name} is passed over: a project may not set it"
        for name in (OTLP + "CERTIFICATE", "PHOENIX_API_KEY")
    ]


@pytest.mark.parametrize("name", ["PROTOCOL", "TIMEOUT", "INSECURE"])
def test_what_harms_nobody_is_passed_over_and_no_more(user: dict[str, str], name: str) -> None:
    found = loaded(user, shell=USERS, project={OTLP + name: "grpc"})

    assert goes_to(found) == USERS_URLS


def test_with_its_own_network_settings_a_project_does_not_stop_local_destinations(
    user: dict[str, str],
) -> None:
    shell = {"PHOENIX_ENDPOINT": "http://localhost:6006"}

    found = loaded(user, shell=shell, project={"HTTP_PROXY": "http://p:1", "no_proxy": "*"})

    assert goes_to(found) == ["http://localhost:6006/v1/traces"]


def test_an_exception_from_the_proxy_that_a_project_hides_makes_it_wait(
    user: dict[str, str],
) -> None:
    shell = {"PHOENIX_ENDPOINT": "https://px.corp", "HTTPS_PROXY": "http://p:1"}

    found = loaded(user, shell=shell, project={"NO_PROXY": "*"})

    assert waits_for(found) == ["https://px.corp/v1/traces"]


def test_the_vendors_own_ca_is_not_asked_for(user: dict[str, str]) -> None:
    """So a project that names one for its own telemetry holds nothing up."""
    found = loaded(user, shell=KEY, project={OTLP + "CERTIFICATE": "/evil.pem"})

    assert goes_to(found) == [AX_URL]


# --- no secret in any text

SECRET = "s3cr3t"
EVERYWHERE = {
    "ARIZE_API_KEY": f"ak-{SECRET}",
    "ARIZE_SPACE_ID": "space",
    "ARIZE_OTLP_ENDPOINT": f"http://ann:{SECRET}@ax.corp",
    "PHOENIX_ENDPOINT": f"http://ann:{SECRET}@px.corp",
    "PHOENIX_API_KEY": SECRET,
    OTLP + "ENDPOINT": f"http://{SECRET}:{SECRET}@otel.corp",
    OTLP + "HEADERS": f"a={SECRET}",
    "HTTP_PROXY": f"http://ann:{SECRET}@proxy:1",
}
WRONG = [
    {"ARIZE_API_KEY": f"{SECRET}\n"},
    {"ARIZE_API_KEY": f"{SECRET} {SECRET}"},
    {"ARIZE_SPACE_ID": f"{SECRET} {SECRET}"},
    {"ARIZE_OTLP_ENDPOINT": SECRET},
    {"ARIZE_OTLP_ENDPOINT": f"https://h/?api_key={SECRET}"},
    {"PHOENIX_ENDPOINT": f"ftp://ann:{SECRET}@h"},
    {"PHOENIX_ENDPOINT": f"https://{SECRET}@"},
    {"PHOENIX_API_KEY": f"{SECRET}\x00"},
    {OTLP + "HEADERS": SECRET},
    {OTLP + "HEADERS": f"a={SECRET}%0a"},
    {OTLP + "CERTIFICATE": SECRET},
    {OTLP + "PROTOCOL": SECRET},
    {OTLP + "TIMEOUT": SECRET},
    {OTLP + "INSECURE": SECRET},
    {"HTTP_PROXY": f"socks5://{SECRET}@h"},
    {"HTTP_PROXY": f"http://ann:{SECRET}@h:x"},
    {"NO_PROXY": SECRET},
    {},
]


def texts(settings: Settings) -> str:
    fingerprints = [each.fingerprint for each in settings.destinations]
    return f"{settings!r} {settings} {settings.warnings} {settings.origins} {fingerprints}"


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong.items()), "none"))
@pytest.mark.parametrize("level", ["shell", "settings", "project"])
def test_no_secret_of_a_variable_is_in_any_text(
    user: dict[str, str], wrong: dict[str, str], level: str
) -> None:
    given = {"shell": EVERYWHERE, level: {**EVERYWHERE, **wrong}}

    assert SECRET not in texts(loaded(user, **given))


def test_the_secrets_of_the_last_test_would_be_found() -> None:
    """They are in what is sent; were they in a text, the test above would fail."""
    found = loaded({"HOME": "/nonexistent"}, shell=EVERYWHERE)

    assert len(found.destinations) == 3
    assert SECRET in str([dict(each.headers) for each in found.destinations])
    assert SECRET in str([each.proxy for each in found.destinations])


@pytest.mark.parametrize(
    "lines",
    [
        f"destinations: {SECRET}",
        f"destinations: [{SECRET}]",
        f"destinations: {{ax: {SECRET}}}",
        f"destinations: {{ax: {{api_key: {SECRET}, space_id: s, shape: {SECRET}}}}}",
        f"destinations: {{ax: {{api_key: {SECRET}, space_id: s, enabled: {SECRET}}}}}",
        f"destinations: {{ax: {{api_key: [{SECRET}], space_id: s}}}}",
        f"destinations: {{ax: {{api_key: '{SECRET} x', space_id: s}}}}",
        f"destinations: {{x: {{kind: {SECRET}}}}}",
        f"destinations: {{otlp: {{endpoint: 'http://h', headers: {SECRET}}}}}",
        f"destinations: {{otlp: {{endpoint: 'http://h', headers: [{SECRET}]}}}}",
        f"destinations: {{otlp: {{endpoint: 'http://h', headers: {{a: [{SECRET}]}}}}}}",
        f"destinations: {{otlp: {{endpoint: 'http://h/?{SECRET}'}}}}",
        f"destinations: {{otlp: {{endpoint: 'http://h', protocol: {SECRET}}}}}",
        f"destinations: {{otlp: {{endpoint: 'http://h', certificate: {SECRET}}}}}",
    ],
)
def test_no_secret_of_the_config_is_in_an_error(user: dict[str, str], lines: str) -> None:
    write_config(user, lines)

    with pytest.raises(ConfigError) as error:
        load(user)

    assert SECRET not in f"{error.value} {error.value.__cause__}"


# --- the outer trace


TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("given", "traceparent"),
    [
        (TRACEPARENT, TRACEPARENT),
        (f" {TRACEPARENT} ", TRACEPARENT),
        (TRACEPARENT.upper(), None),
        (f"00-{'0' * 32}-{'b' * 16}-01", None),
        ("1234", None),
        ("", None),
    ],
)
def test_only_a_well_formed_traceparent_counts(
    user: dict[str, str], given: str, traceparent: str | None
) -> None:
    assert loaded(user, shell={"TRACEPARENT": given}).traceparent == traceparent


def test_a_project_cannot_put_turns_into_a_trace(user: dict[str, str]) -> None:
    found = loaded(user, project={"TRACEPARENT": TRACEPARENT, "ARIZE_JOIN_TRACE": "child"})

    assert (found.traceparent, found.join_trace) == (None, "link")
    assert len(found.warnings) == 2


@pytest.mark.parametrize("how", ["link", "child", "off"])
def test_how_turns_join_an_outer_trace(user: dict[str, str], how: str) -> None:
    assert loaded(user, shell={"ARIZE_JOIN_TRACE": how}).join_trace == how
    write_config(user, f"join_trace: {how}\n")
    assert loaded(user).join_trace == how


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("0", 0), ("600", 600), ("30", 30), ("-1", 0), ("2.5", 0), ("601", 600), ("9" * 5000, 600)],
)
def test_how_long_an_end_waits_for_delivery(user: dict[str, str], given: str, seconds: int) -> None:
    found = loaded(user, shell={"ARIZE_EXPORT_WAIT_S": given})

    assert found.export_wait_s == seconds
    assert bool(found.warnings) is (given in ("-1", "2.5"))
    assert found.origins["export_wait_s"].source is (
        Source.DEFAULT if found.warnings else Source.ENV
    )
    write_config(user, "export_wait_s: 15\n")
    assert loaded(user).export_wait_s == 0
    assert "export_wait_s" in loaded(user).warnings[0], "hooks do not read config.yaml"


def test_the_service_name_has_a_variable_of_its_own(user: dict[str, str]) -> None:
    given = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,team=t", "OTEL_SERVICE_NAME": "b"}

    assert loaded(user, settings=given).resource_attributes == {"service.name": "b", "team": "t"}
