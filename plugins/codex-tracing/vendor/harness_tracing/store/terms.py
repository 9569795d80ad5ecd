"""What words a search asks for, and where they stand in a text.

Words are told apart as the index does it (FTS5's unicode61): runs of letters and digits, in any
case, without diacritics. Scripts that write no blanks (Chinese, Japanese, Korean) are searched
character by character: see :func:`spaced`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from harness_tracing.errors import FilterError

_UNSPACED = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PIECE = r'"([^"]*)"(\*?)|(\S+)'
_QUOTES = str.maketrans("“”„«»", '"' * 5)


@cache
def _each_unspaced() -> re.Pattern[str]:
    return re.compile(f"([{_UNSPACED}])")


def _words(text: str) -> list[str]:
    # The second takes milliseconds to be compiled.
    several = "[^\\W_]+" if text.isascii() else f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+"
    return re.findall(several, text)


@dataclass(frozen=True)
class Term:
    """Words that follow each other; of a `prefix` the last is only the beginning of one."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def expression(self) -> str:
        """The term in FTS5's language. Words hold letters and digits only, so nothing escapes."""
        return f'"{" ".join(self.words)}"' + ("*" if self.prefix else "")

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds the term in a :func:`folded` text."""
        return _pattern(self)


def parse(query: str) -> tuple[Term, ...]:
    """The terms of a query: words, "phrases" and beginnings*; all else only parts words.

    Raises FilterError when there is no word in it.
    """
    terms = []
    for phrase, star, bare in re.findall(_PIECE, query.translate(_QUOTES)):
        words = tuple(_words(_composed(phrase or bare)))
        if words:
            terms.append(Term(words, bool(star) or bare.endswith("*")))
    if not terms:
        raise FilterError(
            f"there is no word to search for in {query!r}; give words, "
            '"several in this order" or the beginning of one: migrat*'
        )
    return tuple(dict.fromkeys(terms))


def expression(terms: Sequence[Term]) -> str:
    """What FTS5 is asked: every term has to be there."""
    return " AND ".join(term.expression for term in terms)


def spaced(text: str) -> str:
    """The text as it goes into the index: characters of unspaced scripts stand alone."""
    return text if text.isascii() else _each_unspaced().sub(r" \1 ", _composed(text))


def folded(text: str) -> str:
    """The text without case and diacritics, character for character (see :func:`shown`)."""
    return text.lower() if text.isascii() else "".join(map(_base, shown(text)))


def shown(text: str) -> str:
    """The text in which positions are those of :func:`folded`."""
    return _composed(text)


def found_in(folded_text: str, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
    """Where terms stand in a folded text, in no particular order."""
    for term in terms:
        yield from (match.span() for match in term.pattern.finditer(folded_text))


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@cache
def _base(character: str) -> str:
    """A character in lower case without its marks; one that would become several stays."""
    lowered = character.lower()
    base = unicodedata.normalize("NFD", lowered)[:1] if len(lowered) == 1 else character
    return character if _is_unspaced(character) else base


@cache
def _pattern(term: Term) -> re.Pattern[str]:
    letter = f"[^\\W_{_UNSPACED}]"
    words = [re.escape(folded(word)) for word in term.words]
    starts = "" if _is_unspaced(term.words[0]) else f"(?<!{letter})"
    ends = "" if term.prefix or _is_unspaced(term.words[-1]) else f"(?!{letter})"
    return re.compile(starts + r"[\W_]{0,99}".join(words) + ends)


def _is_unspaced(word: str) -> bool:
    return not word.isascii() and _each_unspaced().match(word) is not None
