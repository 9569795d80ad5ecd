"""Command lines of words, quotes and operators, read without the grammar of the shell.

Most of what agents run is no more than that, and the grammar takes ten times as long over it.
Whatever else there is in a line (an expansion, a bracket, a heredoc, a word of the language),
it is left to the grammar: what is read here is what the grammar reads, to the letter.
"""

from __future__ import annotations

import re
from typing import Optional

from harness_tracing.activity.script import Pipeline, Script, Simple, Statement

_PLAIN = r"[A-Za-z0-9_./:=+,-]"
_WORD = rf"(?!=)(?:{_PLAIN}+|(?:'[^']*'|\"[^\"$`\\]*\")(?!['\"]))+"
_ONLY_WORDS = re.compile(rf"{_PLAIN}+(?: (?!=){_PLAIN}+)*")
_OPERATOR = r"&&|\|\|(?!\|)|\|(?![|&])|;(?!;)"
_REDIRECTION = rf"\d?>&\d(?!\w)|[12&]?>>?[ \t]*({_WORD})"
_TOKEN = re.compile(rf"([ \t]*)(?:({_OPERATOR})|({_REDIRECTION})|({_WORD}))")
_NAME = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*")
_PIECE = re.compile(r"'([^']*)'|\"([^\"]*)\"|[^'\"]+")
_WORDS_OF_THE_LANGUAGE = frozenset(
    "if then else elif fi for while until do done case esac in function select time coproc declare"
    " typeset export readonly local unset unsetenv let".split()
)


def plain_script(text: str) -> Optional[Script]:
    """The script that a plain line is; None where only the grammar can tell."""
    if _ONLY_WORDS.fullmatch(text):
        words = tuple(text.split(" "))
        if not _is_plain_name(words[0]) or "-" in words:
            return None
        return Script((Statement((Pipeline((Simple(words, text),)),)),))
    return _tokens(text)


def _is_plain_name(word: str) -> bool:
    return _NAME.fullmatch(word) is not None and word not in _WORDS_OF_THE_LANGUAGE


def _tokens(text: str) -> Optional[Script]:
    """The same for lines with quotes, operators, and redirections behind a command."""
    found = _Found(text)
    place, end = 0, len(text.rstrip(" \t\n"))
    match = _TOKEN.match
    while place < end:
        token = match(text, place)
        if token is None:
            return None
        blanks, operator, redirection, to, word = token.groups()
        if operator is not None:
            taken = found.operator(operator)
        elif redirection is not None:
            taken = bool(blanks) and found.redirection(to)
        else:
            taken = found.word(word, token.start(5), token.end())
        if not taken:
            return None
        place = token.end()
    return found.script() if place == end else None


class _Found:
    """What was read of a line so far; each step says whether it is still plain."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.statements: list[Statement] = []
        self.pipelines: list[Pipeline] = []
        self.joins: list[str] = []
        self.parts: list[Simple] = []
        self.words: list[str] = []
        self.writes: list[str] = []
        self.begin = self.end = 0
        self.redirected = False

    def word(self, word: str, begin: int, end: int) -> bool:
        if self.redirected or word == "-":
            return False
        if not self.words:
            if not _is_plain_name(word):
                return False
            self.begin = begin
        self.end = end
        self.words.append(_unquoted(word))
        return True

    def redirection(self, to: Optional[str]) -> bool:
        self.redirected = True
        if to is not None:
            self.writes.append(_unquoted(to))
        return bool(self.words)

    def operator(self, operator: str) -> bool:
        if not self.words:
            return False
        self._command_ends()
        if operator == ";":
            self._statement_ends()
        elif operator != "|":
            self._pipeline_ends()
            self.joins.append(operator)
        return True

    def script(self) -> Optional[Script]:
        if self.words:
            self._command_ends()
            self._statement_ends()
        if self.parts or self.pipelines or not self.statements:
            return None  # it ends with an operator that wants more
        return Script(tuple(self.statements))

    def _command_ends(self) -> None:
        text = self.text[self.begin : self.end]
        self.parts.append(Simple(tuple(self.words), text, tuple(self.writes)))
        self.words, self.writes, self.redirected = [], [], False

    def _pipeline_ends(self) -> None:
        self.pipelines.append(Pipeline(tuple(self.parts)))
        self.parts = []

    def _statement_ends(self) -> None:
        self._pipeline_ends()
        self.statements.append(Statement(tuple(self.pipelines), tuple(self.joins)))
        self.pipelines, self.joins = [], []


def _unquoted(word: str) -> str:
    if "'" not in word and '"' not in word:
        return word
    return "".join(
        piece[0] if piece[0][0] not in "'\"" else piece[1] if piece[1] is not None else piece[2]
        for piece in _PIECE.finditer(word)
    )
