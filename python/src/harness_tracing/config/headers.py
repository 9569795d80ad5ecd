"""Headers of requests: read, checked, and never shown. Every message names none of their values."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[ -~]*")
# What a request says about itself: changed by hand it would no longer be read.
_RESERVED = re.compile(
    r"content-.*|host|transfer-encoding|connection|te|upgrade|expect|accept-encoding|user-agent"
    r"|proxy-.*|grpc-.*|.*-bin|:.*"
)


def headers(value: Any, _: Path) -> dict[str, str]:
    """Headers by name in lower case, from a mapping or from ``name=value,…``.

    In the latter form percent signs are decoded, as OpenTelemetry has it. ValueError without any
    value in it.
    """
    if isinstance(value, Mapping):
        pairs = [(str(name), _text(str(name), text)) for name, text in value.items()]
    elif isinstance(value, str):
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(equals for _name, equals, _value in parts):
            raise ValueError("name=value, separated by commas, with %2C for a comma in a value")
        pairs = [(unquote(name.strip()), unquote(text.strip())) for name, _equals, text in parts]
    else:
        raise ValueError("lines of `name: value`")
    return dict(_checked(name, text) for name, text in pairs)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"texts: put the value of {_named(name)} in quotes")
    return value


def _checked(name: str, value: str) -> tuple[str, str]:
    if not _NAME.fullmatch(name):
        raise ValueError("headers whose names are letters, digits and -")
    if _RESERVED.fullmatch(name.lower()):
        raise ValueError(f"headers other than {_named(name)}, which the request itself sets")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"headers in one line of ASCII characters, which {_named(name)} is not")
    return name.lower(), value.strip()


def _named(name: str) -> str:
    return name if len(name) <= 40 and _NAME.fullmatch(name) else "one of them"


def credential(value: Any, _: Path) -> str:
    """A key or an id that goes into a header; ValueError without the value in it."""
    if not isinstance(value, str):
        raise ValueError("a text: put it in quotes")
    stripped = value.strip()
    if not stripped:
        raise ValueError("any text but an empty one")
    if not _VALUE.fullmatch(stripped) or " " in stripped:
        raise ValueError("ASCII characters without spaces or line breaks")
    return stripped


def basic(user: str, password: str) -> str:
    """The value of an Authorization header for what stood before the @ of a URL."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")
