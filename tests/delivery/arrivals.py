"""A home whose turns go to stubs, and what arrived there held against what the store exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Optional, Union

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from harness_tracing.destinations import Shape
from harness_tracing.errors import NoStoreError
from harness_tracing.observe.export import Selection, exported
from harness_tracing.store import Queue, Store
from tests.backends import OtlpGrpcStub, OtlpHttpStub
from tests.worker.player import Place, wait_for

Stub = Union[OtlpHttpStub, OtlpGrpcStub]


class Home(Place):
    """A place with words for what the delivery tests ask of it."""

    def sends_to(self, *stubs: Stub, **destination: object) -> None:
        """Have everything sent to these, by config.yaml; how, `destination` says."""
        lines = ["destinations:"]
        for number, stub in enumerate(stubs):
            protocol = "grpc" if isinstance(stub, OtlpGrpcStub) else "http/protobuf"
            part = {"kind": "otlp", "endpoint": stub.url, "protocol": protocol, **destination}
            # Only the one named after its kind listens to the variables of its kind.
            lines.append(f"  {'otlp' if number == 0 else f'stub-{number}'}:")
            lines += [f"    {name}: {_yaml(value)}" for name, value in part.items()]
        self.home.root.mkdir(parents=True, exist_ok=True)
        self.home.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def exported(self, shape: Shape = "turns") -> dict[str, dict[str, Any]]:
        """What `harness spans export` gives for all sessions, by span id."""
        with Store.open(self.home.store, readonly=True) as store:
            found = [
                span
                for row in store.sessions()
                for span in exported(store, Selection(session_id=row.session_id), shape).spans
            ]
        by_id = {span["context"]["span_id"]: span for span in found}
        assert len(by_id) == len(found), "an id stands for two spans"
        return by_id

    def queues(self) -> list[Queue]:
        """The outbox, counted; empty while there is no store."""
        with suppress(NoStoreError), Store.open(self.home.store, readonly=True) as store:
            return store.outbox.queues()
        return []

    def queue(self, stub: Optional[Stub] = None) -> Queue:
        """The one queue, or the one to a stub."""
        (found,) = [
            each for each in self.queues() if stub is None or each.target.endpoint == stub.url
        ]
        return found


def timeout(seconds: float) -> dict[str, str]:
    """The variable by which the first destination waits no longer than that for an answer."""
    return {"OTEL_EXPORTER_OTLP_TIMEOUT": str(int(seconds * 1000))}


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


def end(place: Place) -> None:
    """End every process of ours that belongs to a place."""
    place.kill_all()
    wait_for(lambda: not place.processes(), "workers are gone")


def assert_arrived(
    home: Home,
    stub: Stub,
    shape: Shape = "turns",
    *,
    once: bool = True,
) -> None:
    """What the stub took is what the store exports: the same spans, with the same content.

    It took what it answered with a plain success. Without `once` a span may have come several
    times, each time with the same bytes.
    """
    wanted, accepted = home.exported(shape), stub.spans()
    assert wanted, "nothing was stored"
    assert_one_content(span for request in stub.requests for span in request.spans)
    found = {span.span_id.hex(): span for span in accepted}
    assert set(found) == set(wanted)
    for span_id, span in found.items():
        assert content_of(span) == _content(wanted[span_id])
    if once:
        repeated = {i: n for i, n in Counter(s.span_id.hex() for s in accepted).items() if n > 1}
        assert not repeated


def assert_one_content(spans: Iterable[Span]) -> None:
    """No span id came with two different contents."""
    seen: dict[str, bytes] = {}
    for span in spans:
        content = span.SerializeToString(deterministic=True)
        assert seen.setdefault(span.span_id.hex(), content) == content, span.name


def content_of(span: Span) -> dict[str, Any]:
    """A received span in the form of `_content`."""
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "parent": span.parent_span_id.hex() or None,
        "attributes": {each.key: value_of(each.value) for each in span.attributes},
        "events": [each.name for each in span.events],
    }


def _content(span: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": span["name"],
        "trace": span["context"]["trace_id"],
        "parent": span.get("parent_id"),
        "attributes": span["attributes"],
        "events": [each["name"] for each in span["events"]],
    }


def value_of(value: AnyValue) -> Any:
    """An attribute's value as JSON has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    return getattr(value, str(kind)) if kind else None


def sizes(stub: Stub) -> list[int]:
    """The bytes of each request, unpacked."""
    return [len(request.body) for request in stub.requests]
