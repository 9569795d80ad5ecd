"""From a template evaluator to the model that it asks: integration, key, cache, limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional

from harness_tracing.config import read_config
from harness_tracing.errors import TracerError
from harness_tracing.evaluate.definitions import TemplateEvaluator
from harness_tracing.evaluate.judge.asking import Provider
from harness_tracing.evaluate.judge.cache import Cache
from harness_tracing.evaluate.judge.integrations import Integration, connect, integrations
from harness_tracing.evaluate.judge.run import Judge
from harness_tracing.paths import Home
from harness_tracing.prices import PriceTable

CONCURRENCY = 4


class NoJudgeError(TracerError):
    """A judge cannot be asked; `waits_for` names the variable whose key is missing, if one is."""

    def __init__(self, message: str, waits_for: Optional[str] = None) -> None:
        super().__init__(message)
        self.waits_for = waits_for


class Judges:
    """The judges of one user's config.yaml, each connected once, with one cache."""

    def __init__(
        self,
        config: Path,
        env: Mapping[str, str],
        cache: Optional[Path],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config, self._env, self._sleep = config, env, sleep
        self._cache = Cache(cache) if cache is not None else None
        self._providers: dict[tuple[Optional[str], Optional[str]], Provider] = {}
        self.table = PriceTable.load()

    def integration(self, definition: TemplateEvaluator) -> Integration:
        """The integration that an evaluator names, with its model; raises NoJudgeError."""
        try:
            there = integrations(read_config(self._config), self._config)
        except TracerError as error:
            raise NoJudgeError(str(error)) from error
        name = definition.ai_integration
        if name is None and len(there) == 1:
            name = next(iter(there))
        if name is None or name not in there:
            known = ", ".join(map(repr, there)) or "none yet"
            what = "the evaluator names no AI integration" if name is None else f"no {name!r}"
            raise NoJudgeError(
                f"{what} in {self._config}; there are: {known}; docs/judges.md shows how to add one"
            )
        found = there[name]
        return replace(found, model=definition.model_name) if definition.model_name else found

    def provider(self, definition: TemplateEvaluator) -> Provider:
        """Whom an evaluator asks; raises NoJudgeError."""
        key = (definition.ai_integration, definition.model_name)
        if key not in self._providers:
            integration = self.integration(definition)
            variable = integration.api_key_env
            missing = variable if variable and not self._env.get(variable, "").strip() else None
            try:
                self._providers[key] = connect(integration, self._env)
            except TracerError as error:
                raise NoJudgeError(str(error), missing) from error
        return self._providers[key]

    def judge(self, definition: TemplateEvaluator, max_cost_usd: Optional[float]) -> Judge:
        """A judge that spends no more than that; raises NoJudgeError."""
        return Judge(
            self.provider(definition),
            table=self.table,
            cache=self._cache,
            max_cost_usd=max_cost_usd,
            concurrency=CONCURRENCY,
            sleep=self._sleep,
        )


def judges_of(home: Home, env: Mapping[str, str]) -> Judges:
    """The judges of this home with the keys of this environment."""
    return Judges(home.config, env, home.judge_cache)
