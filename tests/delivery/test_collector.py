"""The Collector configuration of docs/scale.md keeps what it takes, and fits what users write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from harness_tracing import config
from harness_tracing.destinations import Destination

REPOSITORY = Path(__file__).parents[2]
KINDS = ("receivers", "processors", "exporters")
LARGEST_REQUEST_BYTES = 4 * 1024 * 1024


def yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.fixture
def collector() -> dict[str, Any]:
    """The example as a value."""
    return dict(yaml((REPOSITORY / "examples" / "collector.yaml").read_text(encoding="utf-8")))


def blocks(language: str) -> list[str]:
    """The code blocks of docs/scale.md in a language."""
    page = (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def of_user(tmp_path: Path, text: str) -> Destination:
    """The one destination of a user with this config.yaml."""
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    settings = config.load({"HOME": str(tmp_path)}, home=tmp_path)
    assert not settings.warnings
    (destination,) = settings.destinations
    return destination


def authenticators(value: Any) -> list[str]:
    """The names of authenticators used anywhere below a value."""
    if not isinstance(value, Mapping):
        return []
    own = [value["authenticator"]] if "authenticator" in value else []
    return own + [name for inner in value.values() for name in authenticators(inner)]


def test_every_component_is_defined_and_in_use(collector: dict[str, Any]) -> None:
    assert set(collector) == {"extensions", *KINDS, "service"}
    pipelines = collector["service"]["pipelines"]
    assert set(pipelines) == {"traces"}
    for kind in KINDS:
        assert {name for pipe in pipelines.values() for name in pipe[kind]} == set(collector[kind])
    assert set(collector["service"]["extensions"]) == set(collector["extensions"])
    used = authenticators(collector["receivers"]) + authenticators(collector["exporters"])
    stores = [each["sending_queue"]["storage"] for each in collector["exporters"].values()]
    assert {*used, *stores, "health_check"} == set(collector["extensions"])


def test_nothing_drops_or_holds_back_spans(collector: dict[str, Any]) -> None:
    kinds = {name.partition("/")[0] for name in collector["processors"]}
    assert kinds == {"memory_limiter", "attributes"}
    order = collector["service"]["pipelines"]["traces"]["processors"]
    assert order[0] == "memory_limiter"


def test_what_was_taken_survives_an_outage_and_a_restart(collector: dict[str, Any]) -> None:
    for exporter in collector["exporters"].values():
        assert exporter["retry_on_failure"]["enabled"] is True
        assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
        queue = exporter["sending_queue"]
        assert queue["enabled"] is True and queue["sizer"] == "bytes"
        assert queue["queue_size"] > 1000 * LARGEST_REQUEST_BYTES
        storage = collector["extensions"][queue["storage"]]
        assert queue["storage"].startswith("file_storage") and storage["fsync"] is True


def test_nobody_sends_without_a_password_and_in_the_clear(collector: dict[str, Any]) -> None:
    for protocol in collector["receivers"]["otlp"]["protocols"].values():
        assert protocol["auth"]["authenticator"].startswith("basicauth/")
        assert {"cert_file", "key_file"} <= set(protocol["tls"])
    (action,) = collector["processors"]["attributes/user"]["actions"]
    assert (action["key"], action["action"]) == ("user.id", "upsert")
    assert action["from_context"] == "auth.username"
    for exporter in collector["exporters"].values():
        assert urlsplit(exporter["endpoint"]).scheme == "https"


def test_our_largest_request_fits(collector: dict[str, Any]) -> None:
    protocols = collector["receivers"]["otlp"]["protocols"]
    assert protocols["http"]["max_request_body_size"] >= LARGEST_REQUEST_BYTES
    assert protocols["grpc"]["max_recv_msg_size_mib"] * 1024 * 1024 >= LARGEST_REQUEST_BYTES


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_what_the_page_has_users_write_reaches_a_receiver(
    collector: dict[str, Any], tmp_path: Path, protocol: str
) -> None:
    text = blocks("yaml")[0]
    if protocol == "grpc":
        page = (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
        (grpc,) = re.findall(r"`(grpcs://\S+)`", page)
        text = re.sub(r"endpoint: \S+", f"endpoint: {grpc}", text)
    destination = of_user(tmp_path, text)

    receiver = collector["receivers"]["otlp"]["protocols"][destination.target.protocol]
    assert destination.target.protocol == protocol
    url = urlsplit(destination.target.endpoint)
    assert (url.scheme, str(url.port)) == ("https", receiver["endpoint"].rpartition(":")[2])
    assert destination.headers["authorization"].startswith("Basic ")


def test_the_page_tells_a_basic_header_as_it_is(tmp_path: Path) -> None:
    import base64

    header = of_user(tmp_path, blocks("yaml")[0]).headers["authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"ada:correct-horse"


def test_the_block_for_phoenix_is_a_destination(tmp_path: Path) -> None:
    destination = of_user(tmp_path, blocks("yaml")[1].replace("…", "some-key"))
    assert destination.target.kind == "phoenix"
    assert destination.headers["authorization"] == "Bearer some-key"
