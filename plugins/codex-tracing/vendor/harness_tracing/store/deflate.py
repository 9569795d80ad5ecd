"""Bodies made smaller and back: zlib's format, whoever writes or reads it.

Where there is a wheel of ISA-L it takes a fraction of the time; Python's own does it elsewhere.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

_LEVEL = 1

_coder: Any = zlib
with suppress(ImportError):
    from isal import isal_zlib as _coder

DeflateError: type[Exception] = _coder.error
"""What `decompress` raises for what is no such body."""


def compress(body: bytes) -> bytes:
    """The body in fewer bytes, as a rule."""
    smaller: bytes = _coder.compress(body, _LEVEL)
    return smaller


def decompress(body: bytes) -> bytes:
    """The body as it was; raises `DeflateError`."""
    whole: bytes = _coder.decompress(body)
    return whole
