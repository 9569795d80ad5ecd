"""Rules of the user's own: one Python file each, in a folder that only the user's settings name.

Such a file is code that runs with the user's rights. So it is taken from the user's own folder
and never from a project's: a repository that somebody cloned brings no rules along.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Optional, cast

from harness_tracing.errors import ConfigError, TracerError
from harness_tracing.evaluate.finding import About, Failed, Finding, Judgement, NotMeasurable
from harness_tracing.evaluate.rules import RULES, Rule
from harness_tracing.evaluate.seen import Seen

_SEE = "docs/writing-evaluators.md has an example"
_MODULE = "harness_tracing_own_rules."


class OwnRuleError(TracerError):
    """A file holds no rule that can be used; the message says why, and what one looks like."""


@dataclass(frozen=True)
class OwnRule:
    """A file of the folder, by its stem. `problem` says why it cannot be used; None: it can.

    `sha256` is that of its bytes: a file that changed is another version of the rule. `make`
    gives a fresh rule for a session; with a problem it raises OwnRuleError.
    """

    name: str
    path: Path
    sha256: str
    make: Callable[[], Rule]
    about: Optional[About] = None
    problem: Optional[str] = None


def folder_in(
    config: Mapping[str, Any], path: Path, default: Path, user_home: Optional[Path] = None
) -> Path:
    """Where the user's rules lie: `evaluators.folder` of config.yaml (its content, its path).

    A relative folder is one beside config.yaml, ``~`` is `user_home`. Raises ConfigError.
    """
    group = config.get("evaluators")
    if group is None:
        return default
    folder = group.get("folder") if isinstance(group, Mapping) else None
    if not isinstance(group, Mapping) or set(group) - {"folder"} or not isinstance(folder, str):
        raise ConfigError(f"evaluators in {path} holds one thing, `folder: /a/path`; {_SEE}")
    if folder.startswith("~/") and user_home is not None:
        return user_home / folder[2:]
    return path.parent / folder


def load(folder: Path) -> dict[str, OwnRule]:
    """The rules of a folder by name; empty without the folder. A bad file is one with a problem.

    Files whose names begin with ``_`` are left alone.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".py")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OwnRuleError(f"the rules in {folder} cannot be listed: {error.strerror}") from error
    return {path.stem: _loaded(path) for path in paths if not path.name.startswith("_")}


def _loaded(path: Path) -> OwnRule:
    name, digest = path.stem, ""
    try:
        source = _read(path)
        digest = hashlib.sha256(source).hexdigest()
        module = _module(name, path, source)
        make, about = _rule(module)
    except OwnRuleError as error:
        problem = f"{path}: {error}"
        return OwnRule(name, path, digest, _raising(problem), problem=problem)
    about = replace(about, name=name)
    return OwnRule(name, path, digest, lambda: _Guarded(path, about, make), about)


def _read(path: Path) -> bytes:
    if any(path.stem == rule().about.name for rule in RULES):
        raise OwnRuleError("a rule that comes along has this name; rename the file")
    try:
        state = path.stat()
        if os.name == "posix" and (
            state.st_uid not in (os.getuid(), 0) or state.st_mode & stat.S_IWOTH
        ):
            raise OwnRuleError("somebody else may change this file; own it and `chmod o-w` it")
        return path.read_bytes()
    except OSError as error:
        raise OwnRuleError(f"it cannot be read: {error.strerror}") from error


def _module(name: str, path: Path, source: bytes) -> ModuleType:
    module = ModuleType(_MODULE + name)
    module.__file__ = str(path)
    try:
        code = compile(source, str(path), "exec")
        sys.modules[module.__name__] = module  # dataclasses look their module up
        exec(code, module.__dict__)  # noqa: S102  the user's own file, which is what this is for
    except SyntaxError as error:
        raise OwnRuleError(f"line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise OwnRuleError(f"it fails on import: {_told(error, path)}") from error
    return module


def _rule(module: ModuleType) -> tuple[Callable[[], Rule], About]:
    """What makes the rule, and what it says of itself; raises OwnRuleError."""
    found = getattr(module, "RULE", None)
    if found is None:
        raise OwnRuleError(f"it has no RULE; {_SEE}")
    is_class = isinstance(found, type)
    about = getattr(found if is_class else module, "about" if is_class else "ABOUT", None)
    where = "RULE.about" if is_class else "ABOUT"
    if not isinstance(about, About):
        raise OwnRuleError(f"{where} is no About(name, what, labels); {_SEE}")
    if not about.labels or not all(_is_score(score) for score in about.labels.values()):
        raise OwnRuleError(f"{where}.labels are not labels with scores from 0 to 1; {_SEE}")
    if not callable(getattr(found, "judge", None) if is_class else found):
        raise OwnRuleError(f"RULE is neither a class with judge(seen) nor a function; {_SEE}")
    if is_class:
        return cast(Callable[[], Rule], found), about
    return lambda: _OfFunction(about, found), about


def _is_score(score: object) -> bool:
    return isinstance(score, (int, float)) and 0 <= score <= 1


def _raising(problem: str) -> Callable[[], Rule]:
    def make() -> Rule:
        raise OwnRuleError(problem)

    return make


class _OfFunction:
    """A rule that remembers nothing: a function."""

    def __init__(self, about: About, function: Callable[[Seen], Judgement]) -> None:
        self.about, self._function = about, function

    def judge(self, seen: Seen) -> Judgement:
        return self._function(seen)


class _Guarded:
    """A rule of the user's own: what goes wrong in it is its result, and no more."""

    def __init__(self, path: Path, about: About, make: Callable[[], Rule]) -> None:
        self.about = about
        self._path, self._name, self._make = path, path.stem, make
        self._rule: Optional[Rule] = None

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on one turn under the file's name; Failed where there is none."""
        try:
            if self._rule is None:
                self._rule = self._make()
            said = self._rule.judge(seen)
        except (Exception, SystemExit) as error:
            return Failed(self._name, type(error).__name__, _told(error, self._path))
        return self._checked(said)

    def _checked(self, said: object) -> Judgement:
        if said is None:
            return None
        if isinstance(said, NotMeasurable):
            return replace(said, rule=self._name)
        if not isinstance(said, Finding):
            why = f"it returned {type(said).__name__}, not a Finding, NotMeasurable or None"
            return Failed(self._name, "no_verdict", why)
        if said.label not in self.about.labels:
            known = ", ".join(self.about.labels)
            return Failed(
                self._name, "no_verdict", f"{said.label!r} is none of its labels: {known}"
            )
        return replace(said, rule=self._name, score=float(self.about.labels[said.label]))


def _told(error: BaseException, path: Path) -> str:
    """An error in a line, with the line of the user's file where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if each.filename == str(path)]
    where = f" (line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"
