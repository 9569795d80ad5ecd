"""What was captured in a home, as `harness` tells it and as Phoenix has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from harness_tracing.prices import PriceTable
from tests.phoenix.comparison import by_id, differences
from tests.phoenix.prices import phoenix_cost, reasons
from tests.phoenix.reading import Reading

Json = Any
Harness = Callable[..., str]
PROJECT = "openinference.project.name"
_TABLE = PriceTable.load()
LLM_TOKENS = ("llm.token_count.prompt", "llm.token_count.completion")


@dataclass(frozen=True)
class Delivered:
    """Both sides of the sessions of one home.

    `ours` are the exported spans by id, in the shape that was sent; `calls` the same turns in
    shape calls, whatever was sent.
    """

    reading: Reading
    ours: Mapping[str, Mapping[str, Json]]
    calls: Mapping[str, Mapping[str, Json]]

    @classmethod
    def by(cls, harness: Harness, url: str, shape: str) -> Delivered:
        """Everything that `harness` has; waits until the server at `url` has as many spans.

        `harness` runs the command with some arguments and gives what it prints.
        """
        ours = exported(harness, shape)
        reading = Reading(url, project_of(ours))
        reading.wait_for(ours)
        return cls(reading, ours, ours if shape == "calls" else exported(harness, "calls"))

    def differences(self) -> list[str]:
        """How the trees in Phoenix are not ours."""
        return differences(self.ours, self.reading.spans())

    def session_differences(self) -> list[str]:
        """How Phoenix's sessions are not ours: their traces and their tokens."""
        wanted: dict[str, dict[str, Json]] = {}
        for span in self.ours.values():
            session = wanted.setdefault(
                span["attributes"]["session.id"], {"traces": set(), **dict.fromkeys(LLM_TOKENS, 0)}
            )
            session["traces"].add(span["context"]["trace_id"])
            if span["kind"] == "LLM":
                for tokens in LLM_TOKENS:
                    session[tokens] += span["attributes"].get(tokens, 0)
        found = {
            session_id: {
                "traces": {trace["trace_id"] for trace in session["traces"]},
                LLM_TOKENS[0]: session["token_count_prompt"],
                LLM_TOKENS[1]: session["token_count_completion"],
            }
            for session_id, session in self.reading.sessions().items()
        }
        return [
            f"session {session_id}: {wanted.get(session_id)} became {found.get(session_id)}"
            for session_id in sorted(wanted.keys() | found.keys())
            if wanted.get(session_id) != found.get(session_id)
        ]

    def cost_differences(self) -> list[str]:
        """How Phoenix's costs are not as docs/phoenix.md says.

        Ours within 1 % where Phoenix can know it, else what it makes of the tokens it got.
        """
        costs, found = self.reading.costs(), []
        for span_id, why in self.other_costs().items():
            attributes, cost = self.ours[span_id]["attributes"], costs[span_id] or 0.0
            own = attributes.get("llm.cost.total")
            wanted = phoenix_cost(_TABLE, attributes) if why else own
            if wanted is None or abs(cost - wanted) > 0.01 * wanted or (why and cost == own):
                found.append(f"{span_id}: {cost}, expected {wanted}, ours {own}; {why}")
        return found

    def other_costs(self) -> dict[str, list[str]]:
        """The LLM spans with tokens, each with why Phoenix's cost is another than ours."""
        found = {}
        for span_id, span in self.ours.items():
            if span["kind"] == "LLM" and LLM_TOKENS[0] in span["attributes"]:
                found[span_id] = reasons(span["attributes"], self._calls_in(span))
        return found

    def _calls_in(self, span: Mapping[str, Json]) -> list[Mapping[str, Json]]:
        """The attributes of the model calls that a span stands for."""
        trace_id, span_id = span["context"]["trace_id"], span["context"]["span_id"]
        if span_id in self.calls and self.calls[span_id]["kind"] == "LLM":
            return [self.calls[span_id]["attributes"]]
        return [
            call["attributes"]
            for call in self.calls.values()
            if call["kind"] == "LLM" and call["context"]["trace_id"] == trace_id
        ]


def exported(harness: Harness, shape: str) -> dict[str, Mapping[str, Json]]:
    """All spans of the project by their id."""
    (project,) = {each["project"] for each in json.loads(harness("sessions", "list", "--json"))}
    told = harness("spans", "export", project, "--all", "--shape", shape, "--stdout")
    return by_id(json.loads(told))


def project_of(spans: Mapping[str, Mapping[str, Json]]) -> str:
    """The one project that they all name."""
    (project,) = {span["attributes"][PROJECT] for span in spans.values()}
    return str(project)
