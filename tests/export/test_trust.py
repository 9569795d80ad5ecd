"""Whom the sender believes and which way it goes: certificates, proxies, the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing.export.encoding import encode
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.sender import open_sender
from tests.backends import Authority, OtlpGrpcStub, OtlpHttpStub, ProxyStub, ids_of
from tests.export.make import KEY, destination, ids, span

(REQUEST,) = encode([span(1), span(2)])
STUBS = {"http": OtlpHttpStub, "grpc": OtlpGrpcStub}
both = pytest.mark.parametrize("protocol", ["http", "grpc"])


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.issue("127.0.0.1")


def send(url: str, protocol: str, **settings) -> Outcome:
    sender = open_sender(destination(url, protocol=protocol, **settings), version="1")
    try:
        return sender.send(REQUEST.body, 5)
    finally:
        sender.close()


@both
def test_an_authority_of_ones_own_is_trusted_when_named(protocol, authority, certificate):
    with STUBS[protocol](tls=certificate) as stub:
        outcome = send(stub.url, protocol, certificate=authority.certificate)
    assert outcome == Outcome("delivered")
    assert ids_of(stub.spans()) == ids(1, 2)


@both
def test_an_unknown_authority_is_not_trusted_and_the_way_out_is_told(protocol, certificate):
    with STUBS[protocol](tls=certificate) as stub:
        outcome = send(stub.url, protocol)
    assert outcome.verdict == "temporary"
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in outcome.reason
    assert stub.requests == []


@both
def test_another_authority_is_not_trusted(protocol, certificate, tmp_path):
    other = Authority(tmp_path / "other", "Somebody Else")
    with STUBS[protocol](tls=certificate) as stub:
        assert send(stub.url, protocol, certificate=other.certificate).verdict == "temporary"
    assert stub.requests == []


@both
@pytest.mark.parametrize("fault", ["expired", "of another host"])
def test_a_wrong_certificate_of_a_trusted_authority_is_refused(protocol, fault, authority):
    wrong = fault == "of another host"
    certificate = authority.issue("other.example" if wrong else "127.0.0.1", expired=not wrong)
    with STUBS[protocol](tls=certificate) as stub:
        outcome = send(stub.url, protocol, certificate=authority.certificate)
    assert (outcome.verdict, "certificate" in outcome.reason) == ("temporary", True)
    assert stub.requests == []


@both
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nno\n", b"\xff"])
def test_a_certificate_file_that_is_none_is_named(protocol, content, tmp_path):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    outcome = send("https://127.0.0.1:9/v1/traces", protocol, certificate=file)
    assert outcome.verdict == "temporary"
    assert str(file) in outcome.reason


@both
def test_a_server_without_tls_gets_nothing_over_https(protocol):
    with STUBS[protocol]() as stub:
        outcome = send(stub.url.replace("http:", "https:"), protocol)
    assert outcome.verdict == "temporary"
    assert stub.requests == []


# --- proxies -------------------------------------------------------------------------


@both
def test_a_proxy_is_asked_for_a_tunnel_and_sees_no_key(protocol, authority, certificate):
    with STUBS[protocol](tls=certificate) as stub, ProxyStub() as proxy:
        account = proxy.url.replace("//", "//user:p%40ss@")
        settings = {"proxy": account, "certificate": authority.certificate}
        assert send(stub.url, protocol, **settings) == Outcome("delivered")
    (tunnel,) = proxy.requests
    assert (tunnel.method, tunnel.path) == ("CONNECT", f"127.0.0.1:{stub.port}")
    assert tunnel.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
    assert KEY not in str(proxy.requests)
    assert len(stub.requests) == 1
    assert "proxy-authorization" not in stub.requests[0].headers


def test_plain_http_goes_through_a_proxy_too():
    with OtlpHttpStub() as stub, ProxyStub() as proxy:
        assert send(stub.url, "http", proxy=proxy.url) == Outcome("delivered")
    assert [(each.method, each.path) for each in proxy.requests] == [("POST", stub.url)]


def test_plain_grpc_goes_through_a_tunnel_of_the_proxy():
    with OtlpGrpcStub() as stub, ProxyStub() as proxy:
        assert send(stub.url, "grpc", proxy=proxy.url) == Outcome("delivered")
    assert [each.method for each in proxy.requests] == ["CONNECT"]


@both
@pytest.mark.parametrize(
    ("status", "verdict"), [(403, "misdirected"), (407, "misdirected"), (503, "temporary")]
)
def test_a_proxy_that_refuses_is_said_and_not_gone_around(
    protocol, status, verdict, authority, certificate
):
    with STUBS[protocol](tls=certificate) as stub, ProxyStub(status=status) as proxy:
        account = proxy.url.replace("//", "//user:hunter22@")
        outcome = send(stub.url, protocol, proxy=account, certificate=authority.certificate)
    assert outcome.verdict == verdict
    assert "proxy" in outcome.reason
    assert "hunter22" not in outcome.reason
    assert stub.requests == []


@both
def test_a_proxy_that_is_not_there_is_temporary(protocol, certificate):
    with STUBS[protocol](tls=certificate) as stub:
        outcome = send(stub.url, protocol, proxy="http://127.0.0.1:9")
    assert outcome.verdict == "temporary"
    assert stub.requests == []


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://[::1", "quatsch"])
def test_a_proxy_that_cannot_be_is_no_crash(proxy):
    assert send("http://127.0.0.1:9/v1/traces", "http", proxy=proxy).verdict in (
        "misdirected",
        "temporary",
    )


# --- the environment -----------------------------------------------------------------

_SEND = """
import json, sys
from pathlib import Path
from harness_tracing.destinations import Destination, Target
from harness_tracing.export.sender import open_sender
asked = json.loads(sys.argv[1])
for protocol, url, certificate in asked["to"]:
    sender = open_sender(
        Destination(
            "d",
            Target("otlp", url, "demo", protocol=protocol),
            headers={"authorization": asked["key"]},
            certificate=Path(certificate) if certificate else None,
        ),
        version="1",
    )
    print(sender.send(bytes.fromhex(asked["body"]), 10).verdict)
    sender.close()
"""


def _hostile_environment(home: Path, url: str, authority: Authority) -> dict[str, str]:
    address = url.partition("//")[2]
    proxies = "http_proxy https_proxy all_proxy grpc_proxy".split()
    env = dict.fromkeys([*proxies, *(name.upper() for name in proxies)], url)
    (home / ".netrc").write_text("machine 127.0.0.1 login thief password thief\n")
    return {
        **env,
        "NO_PROXY": "",
        "GRPC_ADDRESS_HTTP_PROXY": address,
        "GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES": "127.0.0.1/32",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(authority.certificate),
        "SSL_CERT_FILE": str(authority.certificate),
        "REQUESTS_CA_BUNDLE": str(authority.certificate),
        "CURL_CA_BUNDLE": str(authority.certificate),
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=thief,x-thief=1",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.certificate),
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "NETRC": str(home / ".netrc"),
        "HOME": str(home),
    }


def test_nothing_in_the_environment_leads_elsewhere(authority, certificate, tmp_path):
    """Proxies, .netrc, headers and authorities of somebody who may set variables, not more."""
    thief = Authority(tmp_path / "thief", "Thief")
    with (
        OtlpHttpStub() as plain,
        OtlpGrpcStub() as plain_grpc,
        OtlpHttpStub(tls=certificate) as tls,
        OtlpGrpcStub(tls=certificate) as tls_grpc,
        OtlpHttpStub(tls=thief.issue("127.0.0.1")) as posing,
        OtlpGrpcStub(tls=thief.issue("127.0.0.1")) as posing_grpc,
        ProxyStub() as proxy,
    ):
        own = str(authority.certificate)
        honest = [
            ("http", plain.url, ""),
            ("grpc", plain_grpc.url, ""),
            ("http", tls.url, own),
            ("grpc", tls_grpc.url, own),
        ]
        posed = [("http", posing.url, ""), ("grpc", posing_grpc.url, "")]
        asked = {"to": [*honest, *posed], "key": KEY, "body": REQUEST.body.hex()}
        hostile = _hostile_environment(tmp_path, proxy.url, thief)
        told = subprocess.run(
            [sys.executable, "-c", _SEND, json.dumps(asked)],
            env={"PATH": os.environ["PATH"], **hostile},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.split()
    assert told == ["delivered"] * 4 + ["temporary"] * 2
    assert proxy.requests == []
    assert posing.requests == posing_grpc.requests == []
    for stub in (plain, plain_grpc, tls, tls_grpc):
        (request,) = stub.requests
        assert request.headers["authorization"] == KEY
        assert "x-thief" not in request.headers
