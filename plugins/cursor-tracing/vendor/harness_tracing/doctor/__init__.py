"""What `harness doctor` looks at. A check says what it found and, where that is a problem, what
to do; whoever adds one writes a function of a `Place` and names it in `checks`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from harness_tracing.config import Settings
from harness_tracing.errors import TracerError
from harness_tracing.observe.deliveries import Known
from harness_tracing.paths import Home, home_of
from harness_tracing.store.filesystem import network_type
from harness_tracing.surroundings import known_destinations, settings_here

if TYPE_CHECKING:
    from harness_tracing.inventory import AgentHere


@dataclass(frozen=True)
class Finding:
    """What a check found about a subject: all is well, or what is wrong and what to do.

    No text in it holds a credential. Where all is well and there is a remedy, it is something
    to know of and to decide. `mend` does what is safe to do, and says what it did.
    """

    subject: str
    ok: bool
    message: str
    remedy: str = ""
    mend: Optional[Callable[[], str]] = field(default=None, compare=False, repr=False)

    @property
    def level(self) -> str:
        """``ok``, ``note`` or ``problem``."""
        return "problem" if not self.ok else "note" if self.remedy else "ok"


@dataclass(frozen=True)
class Place:
    """What checks look at: an environment, and what follows from it.

    `network` tells the type of a network file system that a path lies on, `free_bytes` the room
    on its disk.
    """

    env: Mapping[str, str]
    now_ns: int
    network: Callable[[Path], Optional[str]] = network_type
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free

    @cached_property
    def home(self) -> Home:
        """Where our files lie."""
        return home_of(self.env)

    @cached_property
    def settings(self) -> dict[str, Settings]:
        """Each agent's settings; ConfigError when there is no reading them."""
        return settings_here(self.env, self.home)

    @cached_property
    def destinations(self) -> list[Known]:
        """The destinations anybody configured."""
        return known_destinations(self.settings.values())

    @cached_property
    def agents(self) -> list[AgentHere]:
        """The agents of this machine; ConfigError as `settings`, StoreError as the store."""
        from harness_tracing import inventory

        return inventory.look(self.env, self.home)


Check = Callable[[Place], Iterable[Finding]]


def checks() -> dict[str, Check]:
    """All checks by name, in the order in which they are shown."""
    from harness_tracing.doctor import agents, delivery, files, formats, settings, tasks, versions

    return {
        "versions": versions.check_versions,
        "settings": settings.check_settings,
        "contradictions": settings.check_contradictions,
        "permissions": files.check_permissions,
        "installation": versions.check_installation,
        "store": files.check_store,
        "spool": files.check_spool,
        "capture": files.check_capture,
        "agents": agents.check_agents,
        "firing": agents.check_firing,
        "formats": formats.check_formats,
        "destinations": delivery.check_destinations,
        "reachable": delivery.check_reachable,
        "tasks": tasks.check_tasks,
    }


def mend(findings: Iterable[tuple[str, Finding]]) -> Iterator[str]:
    """Mend what can be mended safely; says of each what was done, or why it could not be."""
    for check, finding in findings:
        if finding.ok or finding.mend is None:
            continue
        try:
            yield f"{check}: {finding.mend()}"
        except (TracerError, OSError) as error:
            yield f"{check}: {finding.subject} could not be mended: {error}"


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
