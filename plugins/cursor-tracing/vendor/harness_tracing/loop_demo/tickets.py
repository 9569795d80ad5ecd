"""What the agent is asked in the demo, and what the scripted model does about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness_tracing.loop_demo.messages_api import Step, Tokens, Tool

MARKER = re.compile(r"\b(FREESHIP|small letters|SAVE25)\b")
"""Words of a prompt that name its script."""
PRICING = "store/pricing.py"


@dataclass(frozen=True)
class Ticket:
    """A prompt and the scripted replies to it.

    `session_id` is used with the scripted model, where all can be repeated; `resumes`: the prompt
    goes on in a session that is there.
    """

    marker: str
    prompt: str
    session_id: str
    steps: tuple[Step, ...]
    resumes: bool = False

    @property
    def name(self) -> str:
        """What its recording is called."""
        return self.marker.lower().replace(" ", "_")


def _edit(old: str, new: str) -> Tool:
    path = "{cwd}/" + PRICING
    return Tool("Edit", {"file_path": path, "old_string": old, "new_string": new})


def _make(target: str) -> Tool:
    return Tool("Bash", {"command": f"make {target}", "description": f"Run make {target}"})


def _told(number: int, output: int) -> Tokens:
    """What a reply used, as such replies do: most of what goes in is cached by then."""
    return Tokens(4, 14_000 + 600 * number, 600, 0, output)


_READ = Tool("Read", {"file_path": "{cwd}/" + PRICING})
_RETURN = '    return (subtotal + order.shipping).quantize(Decimal("0.01"))'
_FREE = '    shipping = Decimal(0) if order.code == "FREESHIP" else order.shipping\n'
_PERCENT = '    percent = PERCENT_OFF.get(order.code or "", 0)'

FREESHIP = Ticket(
    "FREESHIP",
    "Add the discount code FREESHIP: shipping becomes 0, the subtotal stays as it is.",
    "f4ee5419-0000-4000-8000-000000000001",
    (
        Step("I'll read how codes work here.", tools=(_READ,), tokens=_told(1, 64)),
        Step(
            tools=(_edit(_RETURN, _FREE + _RETURN.replace("order.shipping", "shipping")),),
            tokens=_told(2, 210),
        ),
        Step(tools=(_make("test"),), tokens=_told(3, 48)),
        Step("FREESHIP makes shipping free, and the tests pass. Done.", tokens=_told(4, 31)),
    ),
)
SMALL_LETTERS = Ticket(
    "small letters",
    "Codes typed in small letters have to work too.",
    FREESHIP.session_id,
    (
        Step(tools=(_READ,), tokens=_told(5, 40)),
        Step(
            tools=(
                _edit(
                    _PERCENT,
                    '    code = (order.code or "").upper()\n    percent = PERCENT_OFF.get(code, 0)',
                ),
            ),
            tokens=_told(6, 170),
        ),
        Step(tools=(_edit("if order.code ==", "if code =="),), tokens=_told(7, 90)),
        Step(tools=(_make("test"),), tokens=_told(8, 48)),
        Step("Small letters work as well, and the tests pass. Done.", tokens=_told(9, 33)),
    ),
    resumes=True,
)
SAVE25 = Ticket(
    "SAVE25",
    "Add the discount code SAVE25: 25 percent off the goods.",
    "5a4e2500-0000-4000-8000-000000000002",
    (
        Step("I'll look at the table of codes.", tools=(_READ,), tokens=_told(1, 58)),
        Step(
            tools=(_edit('"SAVE20": 20}', '"SAVE20": 20, "SAVE25": 25}'),),
            tokens=_told(2, 120),
        ),
        Step(tools=(_make("test"),), tokens=_told(3, 48)),
        Step("SAVE25 takes 25 % off, and the tests pass. Done.", tokens=_told(4, 30)),
        Step("Right, the whole check is wanted.", tools=(_make("check"),), tokens=_told(5, 55)),
        Step("SAVE25 takes 25 % off, and `make check` passes.", tokens=_told(6, 35)),
    ),
)
TICKETS = (FREESHIP, SMALL_LETTERS, SAVE25)
SCRIPTS: Mapping[str, tuple[Step, ...]] = {each.marker: each.steps for each in TICKETS}
