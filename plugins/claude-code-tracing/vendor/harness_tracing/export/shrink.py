"""Making one span fit: its longest texts lose their ends, all to the same length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

# Shorter ones stay whole: cutting them would hide much and win little.
SHORTEST_CUT_BYTES = 256
# A marker, and what lengths written before each text may take more or less.
_MARKER_BYTES = 80


def shrink(span: Span, most_bytes: int) -> None:
    """Cut the span's longest texts until it is no larger than `most_bytes`, or none is long.

    Equal spans are cut equally. A cut text ends in ``… [N of M bytes cut: too large to send]``.
    """
    texts = [(len(text.encode()), text, put) for text, put in _texts(span)]
    excess = span.ByteSize() - most_bytes
    if excess <= 0:
        return
    kept = _level(sorted((size for size, _, _ in texts), reverse=True), excess)
    for size, text, put in texts:
        if size > kept + _MARKER_BYTES:
            start = text.encode()[:kept].decode("utf-8", "ignore")
            cut = size - len(start.encode())
            put(f"{start}… [{cut} of {size} bytes cut: too large to send]")


def _level(sizes: list[int], excess: int) -> int:
    """To how many bytes the longest texts are cut so that `excess` bytes go in all."""
    total = 0
    for count, size in enumerate(sizes, start=1):
        total += size - _MARKER_BYTES
        level = (total - excess) // count
        shorter = sizes[count] if count < len(sizes) else 0
        if level >= shorter:
            return max(level, SHORTEST_CUT_BYTES)
    return SHORTEST_CUT_BYTES


def _texts(span: Span) -> Iterator[tuple[str, Callable[[str], None]]]:
    yield span.status.message, partial(setattr, span.status, "message")
    yield from _texts_of(span.attributes)
    for event in span.events:
        yield from _texts_of(event.attributes)
    for link in span.links:
        yield from _texts_of(link.attributes)


def _texts_of(attributes: Iterable[KeyValue]) -> Iterator[tuple[str, Callable[[str], None]]]:
    for attribute in attributes:
        yield from _texts_in(attribute.value)


def _texts_in(value: AnyValue) -> Iterator[tuple[str, Callable[[str], None]]]:
    if value.HasField("string_value"):
        yield value.string_value, partial(setattr, value, "string_value")
    elif value.HasField("array_value"):
        for inner in value.array_value.values:
            yield from _texts_in(inner)
    elif value.HasField("kvlist_value"):
        yield from _texts_of(value.kvlist_value.values)
