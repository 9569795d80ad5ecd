"""A shell command line as the simple commands it consists of, and how they hang together.

tree-sitter-bash finds words, quotes, heredocs and substitutions. How strongly operators bind is
decided here, from their order in the text: the grammar lets ``a && b 2>&1 | c`` pipe the whole
list, the shell only ``b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Optional, Union

from harness_tracing.activity.plain import plain_script
from harness_tracing.activity.script import (
    Group,
    Part,
    Pipeline,
    Script,
    Simple,
    Statement,
    simple_commands,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# The grammar's scanner crashes on some characters beyond ASCII (`{` before a rare one). It gets a
# letter for each: so its offsets are those of the text, which words are then taken from.
_NOT_ASCII = re.compile(r"[^\x01-\x7f]")
_ESCAPED = re.compile(r"\\(?:\n|(.))", re.DOTALL)
_SEPARATORS = {";", "&", "\n", ";;"}
_JOINS = {"&&", "||"}
_BACKGROUND, _NEGATIONS = {"&"}, {"!"}
_PIPES = {"|", "|&"}
_TRANSPARENT = {"program", "list", "pipeline", "negated_command", "do_group", "ERROR"}
_BRANCHES = {
    "if_statement",
    "while_statement",
    "for_statement",
    "c_style_for_statement",
    "case_statement",
    "function_definition",
}
_LONGEST = 100_000


@lru_cache(maxsize=4096)
def parsed(text: str) -> Script:
    """The script that a text is, as bash reads it; what is no shell gives what can be found."""
    if len(text) > _LONGEST:
        return Script((), False)
    return plain_script(text) or by_grammar(text)


def by_grammar(text: str) -> Script:
    """The script as the grammar gives it, for texts of any kind."""
    root = _parser().parse(_NOT_ASCII.sub("x", text).encode("ascii")).root_node
    try:
        script = _script(Syntax(root, text))
    except RecursionError:  # thousands of brackets in each other: nobody's command
        return Script((), False)
    return replace(script, whole=not root.has_error)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


class Syntax:
    """A node of the syntax tree over the text it was parsed from; `type` is the grammar's word."""

    __slots__ = ("node", "source", "type")

    def __init__(self, node: Node, source: str) -> None:
        self.node, self.source, self.type = node, source, node.type

    @property
    def is_named(self) -> bool:
        """False for mere punctuation."""
        return self.node.is_named

    @property
    def text(self) -> str:
        """The text it covers."""
        return self.source[self.node.start_byte : self.node.end_byte]

    @property
    def children(self) -> list[Syntax]:
        """The nodes it consists of."""
        source = self.source
        return [Syntax(child, source) for child in self.node.children]

    @property
    def destination(self) -> Optional[Syntax]:
        """Where a redirection goes."""
        found = self.node.child_by_field_name("destination")
        return None if found is None else Syntax(found, self.source)


_Token = Union[str, Part]


def _script(node: Syntax) -> Script:
    tokens = list(_tokens(node))
    return Script(tuple(_statements(tokens)))


def _statements(tokens: list[_Token]) -> Iterator[Statement]:
    pending: list[_Token] = []
    for token in tokens:
        if isinstance(token, str) and token in _SEPARATORS:
            if pending:
                yield _statement(pending, token in _BACKGROUND)
            pending = []
            continue
        if pending and not isinstance(token, str) and not isinstance(pending[-1], str):
            yield _statement(pending, False)
            pending = []
        pending.append(token)
    if pending:
        yield _statement(pending, False)


def _statement(tokens: list[_Token], background: bool) -> Statement:
    pipelines, joins, parts, negated = [], [], [], False
    for token in [*tokens, "&&"]:
        if not isinstance(token, str):
            parts.append(token)
        elif token in _NEGATIONS:
            negated = not negated
        elif token in _JOINS:
            if parts:
                pipelines.append(Pipeline(tuple(parts), negated))
                joins.append(token)
            parts, negated = [], False
    return Statement(tuple(pipelines), tuple(joins[:-1]), background)


def _tokens(node: Syntax) -> Iterator[_Token]:
    """Commands and operators below a node, in the order of the text."""
    for child in node.children:
        kind = child.type
        if kind in _SEPARATORS or kind in _JOINS or kind in _PIPES or kind == "!":
            yield kind
        elif kind in _TRANSPARENT:
            yield from _tokens(child)
        elif kind == "redirected_statement":
            yield from _redirected(child)
        elif child.is_named and kind != "comment":
            part = _part(child)
            if part is not None:
                yield part


def _part(node: Syntax) -> Optional[Part]:
    if node.type in ("subshell", "compound_statement"):
        return Group(_script(node), subshell=node.type == "subshell")
    if node.type in _BRANCHES:
        inner = tuple(Statement((Pipeline((each,)),)) for each in _descendants(node))
        return Group(Script(inner), branching=True)
    if node.type in ("command", "declaration_command", "test_command", "unset_command"):
        return _simple(node)
    if node.type in ("variable_assignment", "variable_assignments"):
        return Simple((), node.text, inner=_inner(node))
    return None


def _descendants(node: Syntax) -> Iterator[Simple]:
    for child in node.children:
        if child.type == "redirected_statement":
            for token in _redirected(child):
                if isinstance(token, Simple):
                    yield token
                elif isinstance(token, Group):
                    yield from simple_commands(token.script)
            continue
        part = _part(child) if child.is_named and child.type not in _BRANCHES else None
        if isinstance(part, Simple):
            yield part
        elif isinstance(part, Group):
            yield from simple_commands(part.script)
        else:
            yield from _descendants(child)


def _redirected(node: Syntax) -> Iterator[_Token]:
    """A statement with redirections, which belong to the last command of it."""
    tokens: list[_Token] = []
    after: list[_Token] = []
    writes: list[str] = []
    heredoc: Optional[str] = None
    for child in node.children:
        if child.type == "file_redirect":
            writes += _written(child)
        elif child.type == "heredoc_redirect":
            heredoc, more, rest = _heredoc(child)
            writes += more
            after += rest
        elif child.type != "herestring_redirect":
            tokens += [_part(child)] if _part(child) else list(_tokens_of(child))  # type: ignore[list-item]
    if not tokens or isinstance(tokens[-1], str):
        tokens.append(Simple((), node.text))
    last = tokens[-1]
    if isinstance(last, Simple):
        tokens[-1] = replace(last, writes=(*last.writes, *writes), heredoc=heredoc or last.heredoc)
    elif isinstance(last, Group):
        tokens[-1] = replace(last, writes=(*last.writes, *writes))
    yield from tokens
    yield from after


def _tokens_of(node: Syntax) -> Iterator[_Token]:
    if node.type in _TRANSPARENT:
        yield from _tokens(node)
    elif node.type == "redirected_statement":
        yield from _redirected(node)


def _heredoc(node: Syntax) -> tuple[str, list[str], list[_Token]]:
    """Its text, files written by the same command, and what stands behind it on its line."""
    body = ""
    writes: list[str] = []
    rest: list[_Token] = []
    for child in node.children:
        if child.type == "heredoc_body":
            body = child.text
        elif child.type == "file_redirect":
            writes += _written(child)
        elif child.type in _JOINS or child.type in _PIPES:
            rest.append(child.type)
        elif child.type in _TRANSPARENT or child.type == "redirected_statement":
            # A pipeline behind a heredoc begins with its operator, which the grammar leaves out.
            if child.type == "pipeline" and not (rest and isinstance(rest[-1], str)):
                rest.append("|")
            rest += list(_tokens_of(child))
        elif child.is_named:
            part = _part(child)
            rest += [part] if part is not None else []
    return body, writes, rest


def _written(node: Syntax) -> list[str]:
    signs = [child.type for child in node.children]
    if not any(sign in (">", ">>", "&>", "&>>", ">|") for sign in signs):
        return []
    return [] if node.destination is None else [_word(node.destination)]


def _simple(node: Syntax) -> Simple:
    words: list[str] = []
    writes: list[str] = []
    for child in node.children:
        if child.type == "file_redirect":
            writes += _written(child)
        elif child.type == "variable_assignment" and not words:
            continue
        elif child.type not in ("heredoc_redirect", "herestring_redirect"):
            words.append(_word(child))
    return Simple(tuple(words), node.text, tuple(writes), inner=_inner(node))


def _inner(node: Syntax) -> tuple[Simple, ...]:
    text = node.text
    return tuple(_substituted(node)) if "(" in text or "`" in text else ()


def _substituted(node: Syntax) -> Iterator[Simple]:
    for child in node.children:
        if child.type in ("command_substitution", "process_substitution"):
            yield from simple_commands(_script(child))
        else:
            yield from _substituted(child)


def _word(node: Syntax) -> str:
    if node.type == "raw_string":
        return node.text[1:-1]
    if node.type == "ansi_c_string":
        return node.text[2:-1]
    if node.type == "string":
        return _ESCAPED.sub(_in_quotes, node.text[1:-1])
    if node.type in ("concatenation", "command_name"):
        return "".join(_word(child) for child in node.children) or node.text
    if node.type == "word":
        text = node.text
        return _ESCAPED.sub(lambda found: found[1] or "", text) if "\\" in text else text
    return node.text


def _in_quotes(found: re.Match[str]) -> str:
    char = found[1]
    if char is None:
        return ""
    return str(char) if char in '$`"\\' else str(found[0])
