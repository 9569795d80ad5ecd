"""What names a destination, and what of it stays secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness_tracing.destinations import Destination, Target

TARGET = Target("ax", "https://otlp.arize.com/v1/traces", "shop", space="S1")
KEY = "ak-secret-0123456789"
HERE = Destination("ax", TARGET, {"authorization": KEY}, proxy=f"http://me:{KEY}@proxy:1")


def test_credentials_belong_to_kind_endpoint_and_space_only() -> None:
    same = replace(TARGET, project="other", shape="calls", log_prompts=False, stream=True)

    assert same.account == TARGET.account
    for other in (
        replace(TARGET, kind="otlp"),
        replace(TARGET, endpoint="https://otlp.eu-west-1a.arize.com/v1/traces"),
        replace(TARGET, space="S2"),
    ):
        assert other.account != TARGET.account


def test_the_title_names_kind_endpoint_and_space() -> None:
    assert TARGET.title == "ax at https://otlp.arize.com/v1/traces (space S1)"
    phoenix = Target("phoenix", "http://localhost:6006/v1/traces", "shop")
    assert phoenix.title == "phoenix at http://localhost:6006/v1/traces"


def test_a_destination_shows_no_secret() -> None:
    assert KEY not in f"{HERE!r} {HERE} {HERE.fingerprint}"
    assert "otlp.arize.com" in repr(HERE)


@pytest.mark.parametrize(
    "other",
    [
        replace(HERE, headers={"authorization": KEY + "0"}),
        replace(HERE, headers={"authorization": KEY, "x-tenant": "a"}),
        replace(HERE, headers={}),
        replace(HERE, target=replace(TARGET, space="S2")),
    ],
)
def test_other_credentials_have_another_fingerprint(other: Destination) -> None:
    assert other.fingerprint != HERE.fingerprint


def test_the_fingerprint_is_of_the_credentials_alone() -> None:
    spelled = replace(HERE, name="mine", headers={"Authorization": KEY}, proxy=None)

    assert spelled.fingerprint == HERE.fingerprint
    assert len(HERE.fingerprint) == 12
