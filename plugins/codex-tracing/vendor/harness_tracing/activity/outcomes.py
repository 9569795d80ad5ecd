"""How each command of a script ended, as far as the status of the whole script tells.

A shell reports one status for all it ran. ``a && b`` that succeeded says both did; ``a; b`` says
nothing about ``a``, and ``a | b`` nothing about ``a`` unless pipefail is set. What cannot be
concluded stays "unknown", with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Optional

from harness_tracing.activity.script import (
    Group,
    Part,
    Pipeline,
    Script,
    Simple,
    Statement,
    simple_commands,
)

Outcome = Literal["passed", "failed", "not passed", "unknown", "not run"]
"""``not passed``: it failed or was never reached. ``not run``: it was refused before it began."""

# What hardly fails: that a list of these and a check failed is told of the check.
_HARMLESS = {"cd", "export", "set", "echo", "true", ":", "printf", "pwd", "date", "sleep", "pushd"}
_SHOWN_STATUS = re.compile(r"\$\{?(\?|PIPESTATUS\[0\]|pipestatus\[1\])\}?")
_NUMBER = r"(\d{1,3})"


class Ended(NamedTuple):
    """A simple command of a script with how it ended, and why that is not known.

    `within` are the subshells it ran in, the outermost first.
    """

    command: Simple
    outcome: Outcome
    why: Optional[str] = None
    within: tuple[int, ...] = ()


@dataclass(frozen=True)
class Options:
    """Options of the shell that change what a status says."""

    errexit: bool = False
    pipefail: bool = False


def ended(
    script: Script, succeeded: Optional[bool], output: str = "", options: Options = Options()
) -> list[Ended]:
    """Each simple command of the script; `succeeded` is None when its status is not known.

    `output` is looked at for statuses that the script itself printed (``echo $?``).
    """
    if not script.whole:
        succeeded, options = None, Options()
    found: list[Ended] = []
    statements = script.statements
    if len(statements) == 1 and not statements[0].background:
        return _statement(statements[0], succeeded, None, options, output)
    options = _set_before(statements, options)
    for place, statement in enumerate(statements):
        last = place == len(statements) - 1
        told: Optional[bool] = None
        why: Optional[str] = None
        if statement.background:
            why = "it ran in the background"
        elif last:
            told = succeeded
        elif options.errexit and succeeded:
            told = True
        else:
            after = statements[place + 1]
            told = _printed(after, output, "?")
            why = None if told is not None else f"`{_name(after)}` ran after it"
        ones = _statement(statement, told, why, options, output)
        found += ones if last else _first_printed(statement, statements[place + 1], ones, output)
    return found


def _first_printed(
    statement: Statement, after: Statement, ones: list[Ended], output: str
) -> list[Ended]:
    """With what ``echo ${PIPESTATUS[0]}`` told of the first part of the pipeline before it."""
    told = _printed(after, output, "PIPESTATUS")
    first = statement.pipelines[-1].parts[0] if statement.pipelines else None
    if told is None:
        return ones
    outcome: Outcome = "passed" if told else "failed"
    return [Ended(one.command, outcome) if one.command is first else one for one in ones]


def _set_before(statements: tuple[Statement, ...], options: Options) -> Options:
    """The options after the `set` commands that the script begins with."""
    for statement in statements:
        part = statement.pipelines[0].parts[0] if statement.pipelines else None
        if not isinstance(part, Simple) or part.words[:1] != ("set",):
            break
        options = options_in(part.words[1:], options)
    return options


def options_in(words: tuple[str, ...], options: Options = Options()) -> Options:
    """The options that arguments of `set` or of a shell switch on: ``-e``, ``-o pipefail``."""
    for place, word in enumerate(words):
        if re.fullmatch(r"-[a-zA-Z]+", word):
            options = replace(options, errexit=options.errexit or "e" in word)
            if word.endswith("o") and words[place + 1 : place + 2] == ("pipefail",):
                options = replace(options, pipefail=True)
    return options


def _printed(after: Statement, output: str, variable: str) -> Optional[bool]:
    """Whether the command before it succeeded, when this statement only printed its status."""
    part = after.pipelines[0].parts[0] if after.pipelines else None
    if len(after.pipelines) != 1 or not isinstance(part, Simple) or part.words[:1] != ("echo",):
        return None
    text = " ".join(part.words[1:])
    named = list(_SHOWN_STATUS.finditer(text))
    if len(named) != 1 or not named[0][1].upper().startswith(variable):
        return None
    before, behind = text[: named[0].start()], text[named[0].end() :]
    line = re.compile(rf"^{re.escape(before)}{_NUMBER}{re.escape(behind)}\s*$", re.MULTILINE)
    shown = line.findall(output)
    return int(shown[-1]) == 0 if shown else None


def _statement(
    statement: Statement, told: Optional[bool], why: Optional[str], options: Options, output: str
) -> list[Ended]:
    """What the status of a list says about its pipelines, from the last to the first."""
    found: list[Ended] = []
    if not statement.joins:
        for pipeline in statement.pipelines:
            _pipeline(pipeline, told, why, options, output, found)
        return found
    told_of = _shown_by_echo(statement, _list_statuses(statement, told), output)
    for place, pipeline in enumerate(statement.pipelines):
        known, maybe_not_reached = told_of[place]
        reason = why
        if known is None and reason is None:
            reason = "it is one of several in a list"
        first = len(found)
        _pipeline(pipeline, known, reason, options, output, found)
        if maybe_not_reached:
            found[first:] = [
                one._replace(outcome="not passed") if one.outcome == "failed" else one
                for one in found[first:]
            ]
    return found


def _list_statuses(statement: Statement, told: Optional[bool]) -> list[tuple[Optional[bool], bool]]:
    """For each pipeline its status and whether it may not have been reached."""
    count = len(statement.pipelines)
    statuses: list[tuple[Optional[bool], bool]] = [(None, False)] * count
    for place in range(count - 1, -1, -1):
        join = statement.joins[place - 1] if place else None
        if told is None:
            break
        if join is None:
            statuses[place] = (told, False)
        elif join == "&&" and told:
            statuses[place] = (True, False)
        elif join == "&&":
            before = statement.pipelines[:place]
            statuses[place] = (False, not all(map(_is_harmless, before)))
            break
        elif not told:  # a || b failed: both did
            statuses[place] = (False, False)
        elif _first_word(statement.pipelines[place]) not in ("exit", "false", "return"):
            break  # a || b succeeded: one of them did; but a || exit 1 says that a did
    return statuses


def _shown_by_echo(
    statement: Statement, statuses: list[tuple[Optional[bool], bool]], output: str
) -> list[tuple[Optional[bool], bool]]:
    """``check && echo yes || echo no``: what was printed says how the check ended."""
    echoed = [_echoed(pipeline) for pipeline in statement.pipelines]
    if not any(echoed):
        return statuses
    lines = {line.strip() for line in output.splitlines()} - {""}
    said = [text in lines for text in echoed]
    found = list(statuses)
    for place, (known, _) in enumerate(statuses):
        if known is not None or echoed[place]:
            continue
        after = statement.joins[place : place + 2]
        if after[:1] == ("&&",) and said[place + 1]:
            found[place] = (True, False)
        elif after[:1] == ("||",) and said[place + 1] and place == 0:
            found[place] = (False, False)
        elif after == ("&&", "||") and said[place + 2] and echoed[place + 1]:
            found[place] = (False, place > 0)
    return found


def _echoed(pipeline: Pipeline) -> str:
    """What an `echo` of fixed text prints; empty for anything else."""
    part = pipeline.parts[0]
    if len(pipeline.parts) > 1 or not isinstance(part, Simple) or part.words[:1] != ("echo",):
        return ""
    text = " ".join(part.words[1:]).strip()
    return "" if "$" in text or "`" in text else text


def _first_word(pipeline: Pipeline) -> str:
    part = pipeline.parts[0]
    return part.words[0] if isinstance(part, Simple) and part.words else ""


def _is_harmless(pipeline: Pipeline) -> bool:
    return _first_word(pipeline) in _HARMLESS


def _pipeline(
    pipeline: Pipeline,
    told: Optional[bool],
    why: Optional[str],
    options: Options,
    output: str,
    found: list[Ended],
) -> None:
    if told is not None and pipeline.negated:
        told = not told
    last = len(pipeline.parts) - 1
    for place, part in enumerate(pipeline.parts):
        known, reason = told, why
        if place != last and not (options.pipefail and told):
            known = None
            reason = f"its exit status went into `{_part_name(pipeline.parts[last])}`"
        elif place == last and last and options.pipefail and told is False:
            known, reason = None, "it is part of a pipeline that failed"
        if isinstance(part, Simple):
            _simple(part, known, reason, found)
        else:
            found += _group(part, known, reason, options, output)


def _group(
    part: Group, told: Optional[bool], why: Optional[str], options: Options, output: str
) -> Iterator[Ended]:
    if part.branching:
        for command in simple_commands(part.script):
            yield Ended(command, "unknown", "it stands in a branch or loop")
        return
    for one in ended(part.script, told, output, options):
        within = (id(part), *one.within) if part.subshell else one.within
        yield one._replace(within=within, why=one.why if one.why is not None else why)


def _simple(part: Simple, told: Optional[bool], why: Optional[str], found: list[Ended]) -> None:
    if told is None:
        found.append(Ended(part, "unknown", why or "its exit status was not recorded"))
    else:
        found.append(Ended(part, "passed" if told else "failed"))
    why = "its output became part of another command"
    found += [Ended(inner, "unknown", why) for inner in part.inner]


def _name(statement: Statement) -> str:
    return _part_name(statement.pipelines[0].parts[0]) if statement.pipelines else "another command"


def _part_name(part: Part) -> str:
    if isinstance(part, Group):
        return "(…)"
    return part.words[0] if part.words else part.text
