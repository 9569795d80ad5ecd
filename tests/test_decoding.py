"""Decoders of our own types, asked for by several threads."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from harness_tracing.decoding import decoder_of

inside = 0
together = 0


def slowly() -> type[int]:
    """A type that takes its time: it is evaluated while a decoder is built."""
    global inside, together
    inside += 1
    together = max(together, inside)
    time.sleep(0.05)
    inside -= 1
    return int


@dataclass(frozen=True)
class Left:
    value: slowly()  # type: ignore[valid-type]


@dataclass(frozen=True)
class Right:
    value: slowly()  # type: ignore[valid-type]


def test_decoders_are_built_one_at_a_time() -> None:
    kinds = (Left, Right, Left, Right)
    read: list[object] = []

    def decode(kind: type[object]) -> None:
        read.append(decoder_of(kind).decode(b'{"value": 1}'))

    threads = [threading.Thread(target=decode, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert together == 1
    assert sorted(read, key=repr) == [Left(1), Left(1), Right(1), Right(1)]
    assert decoder_of(Left) is decoder_of(Left)
