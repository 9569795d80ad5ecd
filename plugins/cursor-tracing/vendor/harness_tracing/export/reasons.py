"""The one line that tells a person what a backend answered, without telling a secret."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from harness_tracing.destinations import Destination

EXCERPT_CHARACTERS = 200
_SHORTEST_SECRET = 4
_READ_CHARACTERS = 65_536
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")


class Reasons:
    """Writes reasons for one destination: which endpoint, what happened, what it said.

    No text from outside appears with a header's value or the proxy's password in it, whatever
    a backend, a proxy or a library's error repeats.
    """

    def __init__(self, destination: Destination) -> None:
        self._title = destination.target.title
        # Longest first: a secret must not be half hidden by a shorter one within it.
        self._secrets = sorted(_secrets(destination), key=lambda each: (-len(each), each))

    def say(self, what: str, quoted: str = "") -> str:
        """A line such as ``ax at https://…: answered 503 (try later)``; `quoted` is not ours."""
        excerpt = self.excerpt(quoted)
        return f"{self._title}: {what}" + (f": {excerpt}" if excerpt else "")

    def excerpt(self, text: str) -> str:
        """The start of a foreign text on one line, secrets masked, at most 200 characters."""
        masked = " ".join(_CONTROL.sub(" ", text[:_READ_CHARACTERS]).split())
        for secret in self._secrets:
            masked = masked.replace(secret, "***")
        if len(masked) <= EXCERPT_CHARACTERS:
            return masked
        return masked[: EXCERPT_CHARACTERS - 1] + "…"


def unusable_header(destination: Destination) -> str:
    """The name of the first header that HTTP cannot carry, for a message; empty if all can.

    A line break in a header would let its value say more than a value may.
    """
    for name, text in destination.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            return "a header whose name has other characters than letters, digits and -"
        if not _HEADER_TEXT.fullmatch(text):
            return f"the header {name.lower()}"
    return ""


def _secrets(destination: Destination) -> set[str]:
    known = set()
    for text in destination.headers.values():
        known |= {text, text.strip(), text.partition(" ")[2].strip()}
    if destination.proxy:
        account = destination.proxy.partition("://")[2].partition("/")[0].rpartition("@")[0]
        password = account.partition(":")[2]
        known |= {account, password, unquote(password)}
    spellings = known | {" ".join(each.split()) for each in known}
    spellings |= {json.dumps(each)[1:-1] for each in known}
    return {each for each in spellings if len(each) >= _SHORTEST_SECRET}
