"""All evaluators there are: the built-in rules, the user's own, and those that somebody made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Optional

from harness_tracing.config import read_config
from harness_tracing.evaluate import own_rules
from harness_tracing.evaluate.definitions import (
    CodeEvaluator,
    DefinitionError,
    Evaluator,
    EvaluatorRef,
    TemplateEvaluator,
    rule_evaluator_id,
)
from harness_tracing.evaluate.own_rules import OwnRule
from harness_tracing.evaluate.rules import RULES, Rule
from harness_tracing.paths import Home
from harness_tracing.store import Store

BUILT_IN = "built in"
FILE_CAME = "the file came"
FILE_CHANGED = "the file changed"

_RULES = {rule().about.name: rule for rule in RULES}


def built_in() -> list[Evaluator]:
    """The rules that come along, in the order in which they are shown."""
    return [
        Evaluator(rule_evaluator_id(name), name, 1, BUILT_IN, CodeEvaluator(name))
        for name in _RULES
    ]


def own_rules_of(home: Home, user_home: Optional[Path] = None) -> dict[str, OwnRule]:
    """The user's own rules, from the folder that config.yaml names or ``evaluators`` beside it.

    Raises ConfigError, and OwnRuleError where the folder cannot be listed.
    """
    config: Mapping[str, Any] = read_config(home.config)
    return own_rules.load(own_rules.folder_in(config, home.config, home.evaluators, user_home))


class Catalogue:
    """Evaluators by id or name, and the rules behind them.

    `store` None: nothing was ever stored, so there are only rules. `gates` are the commands that
    projects have to pass, as the user says: what some rules go by.
    """

    def __init__(
        self,
        store: Optional[Store],
        own: Mapping[str, OwnRule],
        gates: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._store, self._own, self.gates = store, own, gates

    def note_own_rules(self, now_ns: int) -> None:
        """Give each file that is new or has changed since a version, so that results can name it.

        Raises DefinitionError where a file has the name of an evaluator that somebody made.
        """
        assert self._store is not None
        for rule in self._own.values():
            if rule.problem is None:
                known = self._newest(rule.name)
                message = FILE_CHANGED if known else FILE_CAME
                definition = CodeEvaluator(rule.name, rule.sha256)
                key = rule_evaluator_id(rule.name)
                self._store.evaluations.put_evaluator(
                    rule.name, definition, message, now_ns, identity=key
                )

    def evaluators(self) -> list[Evaluator]:
        """The newest version of each: built-in rules, the user's own rules, the others by name."""
        own = [self._of_file(rule) for rule in self._own.values()]
        theirs = {each.evaluator_id for each in own}
        made = self._store.evaluations.evaluators() if self._store else []
        others = [
            each
            for each in made
            if each.evaluator_id not in theirs and not _is_of_file(each.definition)
        ]
        return [*built_in(), *own, *others]

    def versions(self, id_or_name: str) -> list[Evaluator]:
        """All versions of an evaluator, the newest first; none when there is no such."""
        stored = self._store.evaluations.versions(id_or_name) if self._store else []
        newest = next(
            (e for e in self.evaluators() if id_or_name in (e.evaluator_id, e.name)), None
        )
        if newest is None or any(each.version == newest.version for each in stored):
            return stored
        return [newest, *stored]

    def evaluator(self, id_or_name: str, version: Optional[int] = None) -> Optional[Evaluator]:
        """That version of an evaluator, None: the newest; None when there is no such."""
        found = self.versions(id_or_name)
        return next((each for each in found if version in (None, each.version)), None)

    def named(self, ref: EvaluatorRef) -> Evaluator:
        """The evaluator that a task names; DefinitionError when it is not there any more."""
        found = self.evaluator(ref.evaluator_id, ref.version)
        if found is None:
            version = "" if ref.version is None else f" version {ref.version} of"
            raise DefinitionError(
                f"there is no{version} evaluator {ref.evaluator_id}; see `harness evaluators list`"
            )
        return found

    def rule(self, evaluator: Evaluator) -> Callable[[], Rule]:
        """What makes the rule of a code evaluator, anew for each session.

        Raises DefinitionError when its file is gone, has changed since that version, or cannot be
        used; the message names it.
        """
        definition = evaluator.definition
        assert isinstance(definition, CodeEvaluator)
        if definition.rule in _RULES:
            return _RULES[definition.rule]
        own = self._own.get(definition.rule)
        if own is None:
            raise DefinitionError(
                f"{evaluator.name}: there is no rule {definition.rule!r} (any more) among your own "
                "evaluators; bring its file back, or delete the evaluator"
            )
        if own.problem is not None:
            raise DefinitionError(own.problem)
        if definition.sha256 not in (None, own.sha256):
            raise DefinitionError(
                f"{own.path} has changed since version {evaluator.version} of {evaluator.name}; "
                "name the evaluator without a version to use the file as it is"
            )
        return own.make

    def _of_file(self, rule: OwnRule) -> Evaluator:
        """A file as an evaluator; one that has changed since is the version that it will get."""
        known = self._newest(rule.name)
        definition = CodeEvaluator(rule.name, rule.sha256)
        if known is not None and known.definition == definition:
            return known
        version = known.version + 1 if known else 1
        message = FILE_CHANGED if known else FILE_CAME
        return Evaluator(rule_evaluator_id(rule.name), rule.name, version, message, definition)

    def _newest(self, rule: str) -> Optional[Evaluator]:
        if self._store is None:
            return None
        return self._store.evaluations.evaluator(rule_evaluator_id(rule))


def _is_of_file(definition: object) -> bool:
    return isinstance(definition, CodeEvaluator) and definition.sha256 is not None


def granularity_of(evaluator: Evaluator) -> str:
    """What an evaluator judges: span, turn or session."""
    definition = evaluator.definition
    return definition.granularity if isinstance(definition, TemplateEvaluator) else "turn"
