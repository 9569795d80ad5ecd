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
    statements: list[Statement] = []
    pipelines: list[Pipeline] = []
    joins: list[str] = []
    parts: list[Simple] = []
    place, end = 0, len(text.rstrip(" \t\n"))
    while place < end:
        found = _command(text, place)
        if found is None:
            return None
        command, operator, place = found
        parts.append(command)
        if operator == "|":
            continue
        pipelines.append(Pipeline(tuple(parts)))
        parts = []
        if operator and operator != ";":
            joins.append(operator)
            continue
        statements.append(Statement(tuple(pipelines), tuple(joins)))
        pipelines, joins = [], []
    if place != end or parts or pipelines or not statements:
        return None  # nothing at all, or it ends with an operator that wants more
    return Script(tuple(statements))


def _command(text: str, place: int) -> Optional[tuple[Simple, str, int]]:
    """The command that begins at a place, the operator behind it, and where the next begins."""
    words: list[str] = []
    writes: list[str] = []
    begin = behind = place
    redirected = False
    operator = ""
    for token in _TOKEN.finditer(text, place):
        first, last = token.span()
        if first != place:
            break
        place = last
        blanks, operator, _, to, word = token.groups("")
        if word:
            if redirected or word == "-":
                return None
            if not words:
                if not _is_plain_name(word):
                    return None
                begin = last - len(word)
            words.append(_unquoted(word) if "'" in word or '"' in word else word)
            behind = last
        elif operator:
            break
        elif not blanks:
            return None
        else:
            redirected = True
            if to:
                writes.append(_unquoted(to))
    if not words:
        return None
    return Simple(tuple(words), text[begin:behind], tuple(writes)), operator, place


def _unquoted(word: str) -> str:
    if "'" not in word and '"' not in word:
        return word
    return "".join(
        piece[0] if piece[0][0] not in "'\"" else piece[1] if piece[1] is not None else piece[2]
        for piece in _PIECE.finditer(word)
    )
