"""JSON into our own types, from any thread. A leaf."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_BUILDING = threading.Lock()
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder_of(value_type: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of a type, made once; its `decode` raises msgspec.MsgspecError.

    msgspec keeps what it learns of a dataclass on the class, and does so before it knows all of
    it. A thread that builds a decoder for the same class, or one that holds it, at that moment
    reads what is not there and takes the process with it. So decoders are built one at a time.
    """
    found = _DECODERS.get(value_type)
    if found is None:
        with _BUILDING:
            found = _DECODERS.get(value_type)
            if found is None:
                found = _DECODERS[value_type] = msgspec.json.Decoder(value_type)
    return found
