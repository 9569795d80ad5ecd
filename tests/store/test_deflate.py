"""Bodies are zlib's format, with the quick library and without it."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Iterator

import pytest

from harness_tracing.errors import StoreError
from harness_tracing.store import codec, deflate

BODY = ('{"output": "' + "a line of some program's output; " * 200 + '"}').encode()


@pytest.fixture
def without_the_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where no wheel of it exists: its import fails."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "isal", None)
        importlib.reload(deflate)
        assert deflate._coder is zlib
        yield
    importlib.reload(deflate)


def test_what_is_written_is_smaller_and_zlib_reads_it() -> None:
    written = deflate.compress(BODY)
    assert len(written) < len(BODY) // 10
    assert zlib.decompress(written) == BODY


def test_what_zlib_wrote_is_read() -> None:
    assert deflate.decompress(zlib.compress(BODY, 9)) == BODY


@pytest.mark.usefixtures("without_the_library")
def test_without_the_library_the_same_is_written_and_read() -> None:
    assert zlib.decompress(deflate.compress(BODY)) == BODY
    assert deflate.decompress(zlib.compress(BODY)) == BODY
    with pytest.raises(deflate.DeflateError):
        deflate.decompress(b"neither JSON nor compressed")


@pytest.mark.parametrize("spoilt", [b"neither", deflate.compress(BODY)[:-8], b""])
def test_a_spoilt_body_is_an_error_that_says_what_to_do(spoilt: bytes) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        codec.decode_session(spoilt)
