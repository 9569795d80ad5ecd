"""Endpoints, headers and proxies as users write them, and what they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from harness_tracing.config.endpoints import Endpoint, parse
from harness_tracing.config.headers import basic, credential, headers
from harness_tracing.config.proxies import excepted, proxy_url, variables
from harness_tracing.destinations import Kind, Protocol

HOME = Path("/home/ada")
SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("kind", "written", "url", "protocol"),
    [
        ("ax", "https://otlp.arize.com/v1", "https://otlp.arize.com/v1/traces", "http"),
        ("ax", "https://otlp.arize.com/v1/", "https://otlp.arize.com/v1/traces", "http"),
        ("ax", "https://otlp.arize.com/v1/traces", "https://otlp.arize.com/v1/traces", "http"),
        ("ax", "https://otlp.arize.com", "https://otlp.arize.com/v1/traces", "http"),
        ("ax", "HTTPS://OTLP.Arize.COM:443/v1", "https://otlp.arize.com/v1/traces", "http"),
        ("ax", "https://gw.corp:8443/ax/v1", "https://gw.corp:8443/ax/v1/traces", "http"),
        ("ax", "https://gw.corp/ax", "https://gw.corp/ax/v1/traces", "http"),
        ("ax", "otlp.arize.com:443", "https://otlp.arize.com:443", "grpc"),
        ("ax", "grpcs://otlp.arize.com", "https://otlp.arize.com:443", "grpc"),
        ("ax", "grpc://ax.corp", "http://ax.corp:4317", "grpc"),
        ("phoenix", "http://localhost:6006", "http://localhost:6006/v1/traces", "http"),
        ("phoenix", "http://LOCALHOST:6006/", "http://localhost:6006/v1/traces", "http"),
        ("phoenix", "http://localhost:6006/v1", "http://localhost:6006/v1/traces", "http"),
        ("phoenix", "http://localhost:6006/v1/traces/", "http://localhost:6006/v1/traces", "http"),
        ("phoenix", "https://h/s/team", "https://h/s/team/v1/traces", "http"),
        ("phoenix", "http://h:80", "http://h/v1/traces", "http"),
        ("phoenix", "https://h:80", "https://h:80/v1/traces", "http"),
        ("phoenix", "localhost:4317", "http://localhost:4317", "grpc"),
        ("phoenix", "127.0.0.1:4317", "http://127.0.0.1:4317", "grpc"),
        ("phoenix", "phoenix_1:4317", "https://phoenix_1:4317", "grpc"),
        ("otlp", "http://c:4318", "http://c:4318/v1/traces", "http"),
        ("otlp", "http://c:4318/otel/", "http://c:4318/otel/v1/traces", "http"),
        ("otlp", "http://c:4318/v1", "http://c:4318/v1/v1/traces", "http"),
        ("otlp", "http://c:4318/v1/traces", "http://c:4318/v1/traces", "http"),
        ("otlp", "http://[2001:DB8::0:1]:4318", "http://[2001:db8::1]:4318/v1/traces", "http"),
        ("otlp", "http://[::1]:4318", "http://[::1]:4318/v1/traces", "http"),
        ("otlp", "[::1]:4317", "http://[::1]:4317", "grpc"),
        ("otlp", "http://ann:pw@c:4318", "http://c:4318/v1/traces", "http"),
    ],
)
def test_an_endpoint_has_one_form(kind: Kind, written: str, url: str, protocol: Protocol) -> None:
    endpoint = parse(written, kind)

    assert (endpoint.url, endpoint.protocol) == (url, protocol)
    assert parse(endpoint.url, kind, protocol).url == url


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://otlp.arize.com/v1", "https://otlp.arize.com:443"),
        ("https://h/v1/traces", "https://h:443"),
        ("http://h", "http://h:4317"),
        ("https://h:4317/", "https://h:4317"),
        ("grpc://h:5", "http://h:5"),
        ("h:5", "https://h:5"),
    ],
)
def test_asked_for_grpc_an_endpoint_has_no_path(written: str, url: str) -> None:
    assert parse(written, "ax", "grpc").url == url


def test_the_whole_url_of_the_signal_is_taken_as_it_is() -> None:
    assert parse("https://c/custom/", "otlp", whole=True).url == "https://c/custom"
    assert parse("https://c", "otlp", whole=True).url == "https://c"


def test_a_bare_endpoint_is_encrypted_unless_told_otherwise_or_on_this_machine() -> None:
    assert parse("c:4317", "otlp").tls
    assert not parse("c:4317", "otlp", insecure=True).tls
    assert not parse("localhost:4317", "otlp").tls
    assert parse("https://c:4317", "otlp", "grpc", insecure=True).tls


def test_a_user_in_the_url_is_kept_apart() -> None:
    endpoint = parse(f"https://ann%40corp:{SECRET}%2F@c/x", "otlp")

    assert (endpoint.user, endpoint.password) == ("ann@corp", SECRET + "/")
    assert SECRET not in endpoint.url + repr(endpoint)
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    ("written", "protocol", "allowed"),
    [
        ("", None, "https://host"),
        ("collector", None, "https://host"),
        ("collector/v1/traces", None, "https://host"),
        ("c:4318/v1/traces", None, "https://host"),
        ("c:99999", None, "https://host"),
        ("c:0", None, "https://host"),
        ("https://", None, "https://host"),
        ("https:///v1", None, "https://host"),
        ("https://:4318", None, "https://host"),
        ("https://-x/", None, "https://host"),
        ("https://c/a b", None, "https://host"),
        ("https://c/a\n", None, "https://host"),
        ("https://c/../x", None, "https://host"),
        ("https://c\\@d/", None, "https://host"),
        ("https://c/%zz<>", None, "https://host"),
        ("https://[::1/", None, "https://host"),
        ("https://[::zz]/", None, "https://host"),
        ("https://bücher.example", None, "punycode"),
        (f"https://c/v1?key={SECRET}", None, "without ? and #"),
        (f"https://c/v1#{SECRET}", None, "without ? and #"),
        ("ftp://c/", None, "http, https, grpc or grpcs"),
        ("unix:///tmp/x", None, "http, https, grpc or grpcs"),
        ("c:4317", "http", "begins with http"),
        ("grpc://c:4317", "http", "begins with http"),
        ("grpc://c/team", None, "without a path"),
        ("https://c/team", "grpc", "without a path"),
    ],
)
def test_what_is_no_endpoint_is_refused_without_repeating_it(
    written: str, protocol: Optional[Protocol], allowed: str
) -> None:
    with pytest.raises(ValueError, match=allowed.replace("?", r"\?")) as error:
        parse(written, "otlp", protocol)

    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("phoenix.localhost", True),
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("[::1]", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1", False),
    ],
)
def test_what_is_on_this_machine(host: str, loopback: bool) -> None:
    assert parse(f"http://{host}:6006", "phoenix").is_loopback is loopback


def test_the_names_of_this_machine_are_one_server() -> None:
    servers = {parse(f"http://{host}:6006", "phoenix").server for host in ("localhost", "[::1]")}

    assert len(servers) == 1
    assert parse("http://localhost:6007", "phoenix").server not in servers


# --- headers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        ("X-Key = v , b=2,", {"x-key": "v", "b": "2"}),
        ("Authorization=Basic%20dXNlcg==", {"authorization": "Basic dXNlcg=="}),
        ("a=x%2Cy%3Dz", {"a": "x,y=z"}),
        ("a=1,A=2", {"a": "2"}),
        ({"X-Key": " v "}, {"x-key": "v"}),
        ({"a": "b=c,d"}, {"a": "b=c,d"}),
    ],
)
def test_headers_as_a_variable_and_as_a_mapping(written: Any, read: dict[str, str]) -> None:
    assert headers(written, HOME) == read


@pytest.mark.parametrize(
    ("written", "allowed"),
    [
        (SECRET, "name=value"),
        (f"a=b,{SECRET}", "name=value"),
        (f"={SECRET}", "names are letters"),
        (f"a b={SECRET}", "names are letters"),
        (f"a%0d%0ab={SECRET}", "names are letters"),
        (f"a={SECRET}%0d%0aHost: evil", "in one line of ASCII"),
        (f"a={SECRET}ü", "in one line of ASCII"),
        (f"Content-Type={SECRET}", "other than Content-Type"),
        (f"host={SECRET}", "other than host"),
        (f"grpc-timeout={SECRET}", "other than grpc-timeout"),
        (f"x-bin={SECRET}", "other than x-bin"),
        ({"a": 17}, "quotes"),
        ({"a": [SECRET]}, "quotes"),
        ({SECRET: 17}, "quotes"),
        ([SECRET], "name: value"),
        (17, "name: value"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused_without_their_values(
    written: Any, allowed: str
) -> None:
    with pytest.raises(ValueError, match=allowed) as error:
        headers(written, HOME)

    assert written == {SECRET: 17} or SECRET not in str(error.value)


@pytest.mark.parametrize("wrong", [SECRET + "\nx", f"a {SECRET}", SECRET + "é", 17, True, [SECRET]])
def test_a_key_that_cannot_be_one_is_refused_without_it(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"quotes|without spaces") as error:
        credential(wrong, HOME)

    assert SECRET not in str(error.value)


def test_space_around_a_key_is_no_part_of_it() -> None:
    assert credential(f" {SECRET}\n", HOME) == SECRET


# --- proxies


def endpoint(url: str) -> Endpoint:
    return parse(url, "otlp")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        (" https://u:p@proxy ", "https://u:p@proxy"),
    ],
)
def test_a_proxy_is_a_url(written: str, url: str) -> None:
    assert proxy_url(written) == url


@pytest.mark.parametrize(
    "written", [f"http://{SECRET} x", "http://", f"socks5://u:{SECRET}@p:1", f"http://{SECRET}:x"]
)
def test_what_is_no_proxy_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(ValueError, match="http://host:port") as error:
        proxy_url(written)

    assert SECRET not in str(error.value)


def test_which_variables_name_the_proxy_depends_on_the_endpoint() -> None:
    assert variables(endpoint("https://c")) == (
        *("https_proxy", "HTTPS_PROXY"),
        *("all_proxy", "ALL_PROXY"),
    )
    assert variables(endpoint("http://c"))[:2] == ("http_proxy", "HTTP_PROXY")
    assert variables(endpoint("c:4317"))[:2] == ("https_proxy", "HTTPS_PROXY")


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("https://otel.corp.example/x", "corp.example", True),
        ("https://otel.corp.example/x", ".corp.example", True),
        ("https://otel.corp.example/x", "*.corp.example", True),
        ("https://otel.corp.example/x", " a, OTEL.Corp.Example ", True),
        ("https://otel.corp.example/x", "otel.corp.example:443", True),
        ("https://otel.corp.example/x", "otel.corp.example:8443", False),
        ("https://otel.corp.example/x", "tel.corp.example", False),
        ("https://otel.corp.example/x", "example.com", False),
        ("https://otel.corp.example/x", "*", True),
        ("https://otel.corp.example/x", "", False),
        ("https://otel.corp.example/x", " , ", False),
        ("https://10.1.2.3/x", "10.0.0.0/8", True),
        ("https://10.1.2.3/x", "11.0.0.0/8", False),
        ("https://10.1.2.3/x", "10.1.2.3", True),
        ("https://otel.corp.example/x", "10.0.0.0/8", False),
        ("https://[2001:db8::1]/x", "2001:db8::/32", True),
        ("https://[2001:db8::1]/x", "2001:db8::1", True),
        ("https://[2001:db8::1]/x", "[2001:db8::1]:443", True),
        ("https://[2001:db8::1]/x", "[2001:db8::1]:80", False),
    ],
)
def test_what_no_proxy_excepts(url: str, no_proxy: str, direct: bool) -> None:
    assert excepted(endpoint(url), no_proxy) is direct
