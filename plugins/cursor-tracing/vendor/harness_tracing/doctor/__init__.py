"""What `harness doctor` looks at. A check says what it found and, where that is a problem, what
to do; whoever adds one writes a function of a `Place` and names it in `checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Callable

from harness_tracing.config import Settings
from harness_tracing.errors import TracerError
from harness_tracing.observe.deliveries import Known
from harness_tracing.paths import Home
from harness_tracing.surroundings import home_here, known_destinations, settings_here


@dataclass(frozen=True)
class Finding:
    """What a check found about a subject: all is well, or what is wrong and what to do.

    No text in it holds a credential.
    """

    subject: str
    ok: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Place:
    """What checks look at: an environment, and what follows from it."""

    env: Mapping[str, str]
    now_ns: int

    @cached_property
    def home(self) -> Home:
        """Where our files lie."""
        return home_here(self.env)

    @cached_property
    def settings(self) -> dict[str, Settings]:
        """Each agent's settings; ConfigError when there is no reading them."""
        return settings_here(self.env, self.home)

    @cached_property
    def destinations(self) -> list[Known]:
        """The destinations anybody configured."""
        return known_destinations(self.settings.values())


Check = Callable[[Place], Iterable[Finding]]


def checks() -> dict[str, Check]:
    """All checks by name, in the order in which they are shown."""
    from harness_tracing.doctor import delivery, files, settings

    return {
        "settings": settings.check_settings,
        "permissions": files.check_permissions,
        "installation": files.check_installation,
        "store": files.check_store,
        "spool": files.check_spool,
        "capture": files.check_capture,
        "destinations": delivery.check_destinations,
        "reachable": delivery.check_reachable,
    }


def examine(place: Place) -> Iterator[tuple[str, Finding]]:
    """Run every check; one that cannot do its work is a finding as well, told once."""
    told: set[str] = set()
    for name, check in checks().items():
        try:
            for finding in check(place):
                told.add(finding.message)
                yield name, finding
        except (TracerError, OSError) as error:
            if str(error) not in told:
                told.add(str(error))
                yield name, Finding(name, False, str(error), "mend that, then ask again")
