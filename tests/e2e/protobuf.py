"""As much of Protocol Buffers' wire format as a scripted backend needs: no schema, only numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

Value = Union[int, str, bytes, "Mapping[int, Value]", "Sequence[Value]"]
Decoded = dict[int, list[Union[int, bytes]]]


def encode(fields: Mapping[int, Value]) -> bytes:
    """A message of fields by their numbers; a list repeats its field, a mapping is a message."""
    return b"".join(_field(number, value) for number, value in fields.items())


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, (list, tuple)):
        return b"".join(_field(number, each) for each in value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, Mapping):
        value = encode(value)
    content = value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[arg-type]
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def decode(content: bytes) -> Decoded:
    """The fields of a message by their numbers: whole numbers, and bytes of all else."""
    fields: Decoded = {}
    at = 0
    while at < len(content):
        tag, at = _read_varint(content, at)
        number, wire = tag >> 3, tag & 7
        value: Union[int, bytes]
        if wire == 0:
            value, at = _read_varint(content, at)
        else:
            length, at = _read_varint(content, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            value, at = content[at : at + length], at + length
        fields.setdefault(number, []).append(value)
    return fields


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def message(fields: Decoded, *path: int) -> Decoded:
    """The message at a path of field numbers; empty where there is none."""
    for number in path:
        inner = fields.get(number, [b""])[0]
        fields = decode(inner) if isinstance(inner, bytes) else {}
    return fields


def text(fields: Decoded, number: int) -> str:
    """A field as text."""
    value = fields.get(number, [b""])[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
