"""Small promises of delivery to Phoenix: nothing is sent again in vain; the gRPC port works too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.phoenix.comparison import differences
from tests.phoenix.delivered import exported
from tests.phoenix.playing import flushing_place, harness_of
from tests.phoenix.reading import Reading
from tests.phoenix.server import Phoenix
from tests.worker.player import capture

pytestmark = pytest.mark.phoenix


def test_what_was_read_back_is_not_sent_again(tmp_path: Path, shared_phoenix: Phoenix) -> None:
    url, own = shared_phoenix.url, {"ARIZE_PROJECT_NAME": "verified"}
    with flushing_place(tmp_path / "home", url, "turns", **own) as place:
        capture(place, "tool_cycle")
        before = shared_phoenix.requests()

        for _ in range(2):
            harness_of(place)("flush", "--wait", "--verify")

        assert shared_phoenix.requests() == before + 1
        ours = exported(harness_of(place), "turns")
        assert differences(ours, Reading(url, "verified").spans()) == []


def test_phoenix_takes_spans_at_its_grpc_port(tmp_path: Path, shared_phoenix: Phoenix) -> None:
    grpc, own = f"127.0.0.1:{shared_phoenix.grpc_port}", {"ARIZE_PROJECT_NAME": "grpc"}
    with flushing_place(tmp_path / "home", grpc, "calls", **own) as place:
        capture(place, "thinking")

        harness_of(place)("flush", "--wait")

        ours, reading = exported(harness_of(place), "calls"), Reading(shared_phoenix.url, "grpc")
        reading.wait_for(ours)
        assert differences(ours, reading.spans()) == []
