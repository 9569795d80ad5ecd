"""Pushing annotations: what a backend is told, and what its answers mean.

The real Phoenix is in tests/phoenix; the stubs here answer as it was seen to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from harness_tracing.export.annotations import Annotations, Answered, Verdict, open_annotations
from tests.backends import Authority, OtlpHttpStub, ProxyStub, Received, Reply
from tests.export.make import KEY, destination

DAY_NS = 86_400 * 10**9
NOW_NS = time.time_ns()


def verdict(key: int, **fields: Any) -> Verdict:
    """A verdict whose span's id is its key; `fields` instead of what it has else."""
    told: dict[str, Any] = {
        "span_id": f"{key:016x}",
        "session_id": "session-1",
        "name": "verified",
        "annotator_kind": "CODE",
        "identifier": "ev_1",
        "label": "verified",
        "score": 1.0,
        "explanation": "`make check` ran",
        "metadata": {"version": 1},
        "began_at_ns": NOW_NS,
        **fields,
    }
    return Verdict(key=key, **told)


def text(status: int, body: str = "") -> Reply:
    return Reply(status, body.encode(), "text/plain; charset=utf-8")


def taken(received: Received) -> Reply:
    """What Phoenix answers to annotations that it took."""
    count = len(json.loads(received.body)["data"])
    body = json.dumps({"data": [{"id": f"U3Bhbg{number}"} for number in range(count)]})
    return Reply(body=body.encode(), content_type="application/json")


def phoenix(stub: OtlpHttpStub) -> Annotations:
    way = open_annotations(destination(stub.url, kind="phoenix"))
    assert way is not None
    return way


def pushed(stub: OtlpHttpStub, *verdicts: Verdict) -> list[Answered]:
    way = phoenix(stub)
    answered = list(way.push(verdicts, "demo", 10.0))
    way.close()
    return answered


def meaning(answered: list[Answered]) -> dict[int, tuple[str, bool, bool]]:
    """What each annotation's outcome is: its verdict, whether absent, whether alone."""
    return {
        key: (each.outcome.verdict, each.absent, each.alone)
        for each in answered
        for key in each.keys
    }


def spans_in(received: Received) -> list[int]:
    return [int(each["span_id"], 16) for each in json.loads(received.body)["data"]]


def without(*missing: int) -> Callable[[Received], Reply]:
    """Answers of a Phoenix that does not have some spans."""

    def answer(received: Received) -> Reply:
        lost = [f"{each:016x}" for each in spans_in(received) if each in missing]
        if lost:
            return text(404, f"Spans with IDs {', '.join(lost)} do not exist.")
        return taken(received)

    return answer


def test_phoenix_is_told_all_of_a_verdict_and_waited_for():
    with OtlpHttpStub(taken) as stub:
        answered = pushed(stub, verdict(1), verdict(2, label=None, score=None, metadata=None))

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/span_annotations?sync=true")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(request.body)["data"] == [
        {
            "span_id": "0000000000000001",
            "name": "verified",
            "annotator_kind": "CODE",
            "identifier": "ev_1",
            "result": {"label": "verified", "score": 1.0, "explanation": "`make check` ran"},
            "metadata": {"version": 1},
        },
        {
            "span_id": "0000000000000002",
            "name": "verified",
            "annotator_kind": "CODE",
            "identifier": "ev_1",
            "result": {"label": None, "score": None, "explanation": "`make check` ran"},
            "metadata": {},
        },
    ]
    assert meaning(answered) == dict.fromkeys((1, 2), ("delivered", False, False))


def test_what_is_said_of_a_whole_session_goes_to_the_session():
    with OtlpHttpStub(taken) as stub:
        answered = pushed(stub, verdict(1, span_id=""), verdict(2))

    of_span, of_session = stub.requests
    assert of_span.path == "/v1/span_annotations?sync=true"
    assert of_session.path == "/v1/session_annotations?sync=true"
    (told,) = json.loads(of_session.body)["data"]
    assert told["session_id"] == "session-1" and "span_id" not in told
    assert set(meaning(answered)) == {1, 2}


def test_what_no_database_or_json_can_hold_is_replaced():
    odd = verdict(1, label="a\x00b", score=float("nan"), metadata={"x\x00": [float("inf"), "\x00"]})
    with OtlpHttpStub(taken) as stub:
        pushed(stub, odd)

    (told,) = json.loads(stub.requests[0].body)["data"]
    assert told["result"]["label"] == "a\ufffdb" and told["result"]["score"] is None
    assert told["metadata"] == {"x\ufffd": [None, "\ufffd"]}


def test_a_missing_span_holds_up_no_other():
    with OtlpHttpStub(without(3, 7)) as stub:
        answered = pushed(stub, *map(verdict, range(1, 11)))

    assert [spans_in(each) for each in stub.requests] == [
        list(range(1, 11)),
        [1, 2, 4, 5, 6, 8, 9, 10],
    ]
    found = meaning(answered)
    assert {key for key, each in found.items() if each == ("temporary", True, False)} == {3, 7}
    assert {key for key, each in found.items() if each[0] == "delivered"} == set(found) - {3, 7}


def test_one_that_is_refused_is_found_and_the_others_are_taken():
    def answer(received: Received) -> Reply:
        return text(422, "no such kind") if 5 in spans_in(received) else taken(received)

    with OtlpHttpStub(answer) as stub:
        answered = pushed(stub, *map(verdict, range(1, 9)))

    found = meaning(answered)
    assert found.pop(5) == ("rejected", False, True)
    assert set(found) == {1, 2, 3, 4, 6, 7, 8}
    assert {each[0] for each in found.values()} == {"delivered"}
    assert "no such kind" in next(each.outcome.reason for each in answered if 5 in each.keys)


def test_one_that_the_server_stumbles_over_is_found_too():
    def answer(received: Received) -> Reply:
        return text(500) if 2 in spans_in(received) else taken(received)

    with OtlpHttpStub(answer) as stub:
        found = meaning(pushed(stub, verdict(1), verdict(2), verdict(3)))

    assert found[2] == ("temporary", False, True)
    assert found[1][0] == found[3][0] == "delivered"


def test_a_server_that_stumbles_over_each_is_left_alone():
    with OtlpHttpStub([text(500)]) as stub:
        answered = pushed(stub, *map(verdict, range(100)))

    assert len(stub.requests) < 12
    assert answered[-1].outcome.verdict == "temporary" and not answered[-1].alone


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (text(401, f"key {KEY}"), "refused"),
        (text(403), "refused"),
        (text(503), "temporary"),
        (text(429), "temporary"),
        (Reply(fault="close"), "temporary"),
        (text(302), "misdirected"),
        (text(405, "Method Not Allowed"), "misdirected"),
        (text(404, "Not Found"), "misdirected"),
        (Reply(body=b"<html>sign in</html>", content_type="text/html"), "misdirected"),
        (Reply(body=b'{"data": []}', content_type="application/json"), "misdirected"),
    ],
)
def test_an_answer_about_the_backend_ends_it(reply: Reply, means: str):
    with OtlpHttpStub([reply]) as stub:
        answered = pushed(stub, verdict(1), verdict(2), verdict(3, span_id=""))

    assert len(stub.requests) == 1
    assert meaning(answered) == dict.fromkeys((1, 2), (means, False, False))
    assert KEY not in answered[0].outcome.reason


def test_a_server_that_knows_no_annotations_of_sessions_takes_those_of_spans():
    def answer(received: Received) -> Reply:
        return text(405) if "session" in received.path else taken(received)

    with OtlpHttpStub(answer) as stub:
        found = meaning(pushed(stub, verdict(1, span_id=""), verdict(2)))

    assert found == {1: ("temporary", False, True), 2: ("delivered", False, False)}


def test_many_go_in_several_requests():
    with OtlpHttpStub(taken) as stub:
        answered = pushed(stub, *map(verdict, range(1, 251)))

    assert [len(spans_in(each)) for each in stub.requests] == [100, 100, 50]
    assert set(meaning(answered)) == set(range(1, 251))


def test_long_explanations_go_in_several_requests():
    with OtlpHttpStub(taken) as stub:
        pushed(stub, *(verdict(key, explanation="x" * 400_000) for key in range(6)))

    assert [len(spans_in(each)) for each in stub.requests] == [2, 2, 2]


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("otlp", "http://127.0.0.1:1/v1/traces"),
        ("phoenix", "http://127.0.0.1:4317"),
        ("ax", "http://127.0.0.1:1/v1/traces"),
        ("ax", "https://collector.example.com/v1/traces"),
    ],
)
def test_there_is_no_way_where_none_is_known(kind: str, endpoint: str):
    assert open_annotations(destination(endpoint, kind=kind)) is None


# -- Arize AX

AX_KEY = "ak-0123456789abcdef"
SPACE = "U3BhY2U6MQ=="


class Ax:
    """Answers of Arize AX's REST API, as its pages describe them, with some spans."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing

    def __call__(self, received: Received) -> Reply:
        if received.path.startswith("/v2/projects"):
            second = "cursor=more" in received.path
            told: dict[str, Any] = {
                "projects": [{"id": "p2", "name": "demo"} if second else {"name": "demo-2"}],
                "pagination": {"has_more": False} if second else {"next_cursor": "more"},
            }
            return Reply(body=json.dumps(told).encode(), content_type="application/json")
        asked = json.loads(received.body)["annotations"]
        if any(each["record_id"] in self.missing for each in asked):
            return Reply(404, b'{"title": "Not Found"}', "application/problem+json")
        return Reply(202, b"", "application/json")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def pushed_to_ax(
    authority: Authority, answers: Any, *verdicts: Verdict, region: str = ""
) -> tuple[list[Answered], list[Received]]:
    host = f"api.{region}arize.com"
    with (
        OtlpHttpStub(answers, tls=authority.issue(host)) as stub,
        ProxyStub({f"{host}:443": stub.port}) as proxy,
    ):
        to = destination(
            f"https://otlp.{region}arize.com/v1/traces",
            kind="ax",
            headers={"authorization": AX_KEY, "arize-space-id": SPACE},
            proxy=proxy.url,
            certificate=authority.certificate,
        )
        way = open_annotations(to)
        assert way is not None
        answered = list(way.push(verdicts, "demo", 10.0))
        way.close()
        return answered, stub.requests


def human(key: int, **fields: Any) -> Verdict:
    return verdict(key, annotator_kind="HUMAN", identifier="", **fields)


@pytest.mark.parametrize("region", ["", "eu-west-1a."])
def test_ax_is_told_what_people_said(authority: Authority, region: str):
    said = (human(1), human(1 << 40, label=None), human(3, span_id=""))
    answered, requests = pushed_to_ax(authority, Ax(), *said, region=region)

    assert {request.headers["authorization"] for request in requests} == {f"Bearer {AX_KEY}"}
    *lists, of_spans, of_session = requests
    assert [each.path.partition("?")[0] for each in lists] == ["/v2/projects"] * 2
    assert of_spans.path == of_session.path == "/v2/spans/annotate"
    told = json.loads(of_spans.body)
    assert (told["project_id"], told["granularity"]) == ("p2", "SPAN")
    assert told["annotations"] == [
        {
            "record_id": "0000000000000001",
            "values": [
                {
                    "name": "verified",
                    "label": "verified",
                    "score": 1.0,
                    "text": "`make check` ran",
                }
            ],
        },
        {
            "record_id": "0000010000000000",
            "values": [{"name": "verified", "score": 1.0, "text": "`make check` ran"}],
        },
    ]
    assert json.loads(of_session.body)["granularity"] == "SESSION"
    assert json.loads(of_session.body)["annotations"][0]["record_id"] == "session-1"
    assert {each[0] for each in meaning(answered).values()} == {"delivered"}


def test_ax_is_asked_in_windows_that_it_allows(authority: Authority):
    said = [human(key, began_at_ns=NOW_NS - key * 15 * DAY_NS) for key in range(1, 5)]
    _, requests = pushed_to_ax(authority, Ax(), *said)

    windows = [json.loads(each.body) for each in requests if each.method == "POST"]
    assert [len(each["annotations"]) for each in windows] == [2, 2]
    for each in windows:
        start, end = (datetime.fromisoformat(each[name]) for name in ("start_time", "end_time"))
        assert timedelta() < end - start < timedelta(days=31)


def test_a_span_that_ax_does_not_have_holds_up_no_other(authority: Authority):
    said = [human(key) for key in range(1, 6)]
    answered, _ = pushed_to_ax(authority, Ax("0000000000000004"), *said)

    found = meaning(answered)
    assert found.pop(4) == ("temporary", True, False)
    assert {each[0] for each in found.values()} == {"delivered"}


def test_a_name_that_the_space_has_no_config_for_is_refused_with_its_reason(authority: Authority):
    def answer(received: Received) -> Reply:
        if received.path.startswith("/v2/projects"):
            return Ax()(received)
        return Reply(400, b'{"detail": "no annotation config mine"}', "application/problem+json")

    answered, _ = pushed_to_ax(authority, answer, human(1))
    assert meaning(answered) == {1: ("rejected", False, True)}
    assert "no annotation config mine" in answered[0].outcome.reason


def test_a_project_that_ax_does_not_have_yet_is_waited_for(authority: Authority):
    empty = Reply(body=b'{"projects": []}', content_type="application/json")
    answered, requests = pushed_to_ax(authority, [empty], human(1))

    assert meaning(answered) == {1: ("temporary", True, False)}
    assert len(requests) == 1
