"""Putting a proposal into a project's files, and taking it out again.

What each file held is kept in our home until then. All files are looked at before the first is
written; where one cannot be written, those that were are put back.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from harness_tracing.agents import kept, user_files
from harness_tracing.agents.kept import Kept
from harness_tracing.errors import ImproveError, RegistrationError
from harness_tracing.improve import changes
from harness_tracing.improve.ladder import LOCAL_SETTINGS, SETTINGS
from harness_tracing.improve.proposal import Change, Proposal
from harness_tracing.paths import Home

_MODE = 0o644


@dataclass(frozen=True)
class Applied(Kept):
    """What a file held before a proposal; `place` is that of the change, `made` folders of ours."""

    place: int = 0
    made: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """What a change makes of a file: its content now (None: not there), and then."""

    place: int
    path: Path
    shown: str
    before: Optional[bytes]
    after: bytes

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after


def plan(proposal: Proposal, *, local: bool = False) -> list[Planned]:
    """What applying would write, from the files as they are now.

    `local`: settings that git does not share. ImproveError where it cannot be applied.
    """
    folder = Path(proposal.folder)
    if not folder.is_dir():
        raise ImproveError(f"{folder} is gone, so there is nothing to apply {proposal.rule} to")
    if local and not any(change.path == SETTINGS for change in proposal.changes):
        raise ImproveError(
            "--local is for hooks and permissions; this proposal changes no settings: leave it away"
        )
    return [
        _planned(place, _placed(change, local), folder)
        for place, change in enumerate(proposal.changes)
    ]


def preview(planned: list[Planned]) -> str:
    """The plan as a unified diff; empty when everything is there already."""
    return "".join(
        changes.diff(each.shown, each.before, each.after) for each in planned if each.changes
    )


def apply_proposal(
    proposal: Proposal,
    home: Home,
    now_ns: int,
    *,
    local: bool = False,
    shown: Optional[list[Planned]] = None,
) -> Proposal:
    """Write it; the proposal as applied. What is there already is left as it is.

    `shown` is the plan that somebody agreed to: ImproveError when it is another one by now, or a
    file cannot be written; no file is changed then.
    """
    planned = plan(proposal, local=local)
    if shown is not None and planned != shown:
        raise ImproveError("a file changed while it was shown; run this again to see it as it is")
    wanted = [each for each in planned if each.changes]
    for each in wanted:
        _check_writable(each.path)
    records = records_of(home, proposal.proposal_id)
    for each in wanted:
        _keep(each, records)
    written: list[Planned] = []
    for each in wanted:
        try:
            user_files.write(each.path, each.after, fresh_mode=_MODE)
        except RegistrationError as error:
            _undo(written, wanted, records)
            raise _unwritable(each.path) from error
        written.append(each)
    return replace(proposal, state="applied", applied_at_ns=now_ns, reverted_at_ns=None)


def revert_proposal(proposal: Proposal, home: Home) -> list[Path]:
    """Take it out of the files again; those that changed.

    A file that nobody changed since gets its bytes back; of any other, our part alone is taken
    out. ImproveError, with nothing changed, where somebody edited that part: it says what to do.
    """
    records = records_of(home, proposal.proposal_id)
    done = []
    steps = [_reverted(proposal, record) for record in _records(records)]
    for record, content, restored in steps:
        path = Path(record.path)
        if content is not None and content != restored:
            _check_writable(path)
    for record, content, restored in steps:
        path = Path(record.path)
        if content is not None and content != restored:
            try:
                kept.put_back(path, content, restored, made_folder=False)
            except RegistrationError as error:
                raise _unwritable(path) from error
            done.append(path)
        for made in reversed(record.made):
            with suppress(OSError):  # somebody put something into it
                Path(made).rmdir()
        kept.forget(kept.folder_of(records, path))
    return done


def records_of(home: Home, proposal_id: str) -> Path:
    """Where it is kept what files held before a proposal."""
    return home.improvements / proposal_id


def touched(proposal: Proposal, home: Home) -> list[Path]:
    """The files that it was written into and not yet taken out of."""
    return [Path(record.path) for record in _records(records_of(home, proposal.proposal_id))]


def is_in_place(proposal: Proposal) -> bool:
    """Whether its files hold it already, whoever put it there."""
    try:
        return not any(each.changes for each in plan(proposal))
    except ImproveError:
        return False


def _records(records: Path) -> list[Applied]:
    """The last file first: scripts are there as long as settings name them."""
    return sorted(Applied.all(records), key=lambda record: record.place, reverse=True)


def _reverted(
    proposal: Proposal, record: Applied
) -> tuple[Applied, Optional[bytes], Optional[bytes]]:
    """A record with what its file holds, and what it has to hold without the proposal."""
    path = Path(record.path)
    content = _read(path)
    if content is None:
        return record, None, None
    if record.is_untouched(path, content):
        return record, content, record.before if record.existed else None
    change = proposal.changes[record.place]
    restored = changes.take_out(change, content, path)
    if restored is not None and not record.existed and changes.is_bare(change, restored):
        restored = None
    return record, content, restored


def _placed(change: Change, local: bool) -> Change:
    return replace(change, path=LOCAL_SETTINGS) if local and change.path == SETTINGS else change


def _planned(place: int, change: Change, folder: Path) -> Planned:
    path = folder / change.path
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    if root not in real.parents:
        raise ImproveError(
            f"{path} leads out of the project, to {real}: a project's files must not decide where"
            " that is written. Put the change in by hand; `harness improve show` prints it"
        )
    content = _read(path)
    return Planned(place, path, change.path, content, changes.put(change, content, path))


def _read(path: Path) -> Optional[bytes]:
    try:
        return user_files.read(path)
    except RegistrationError as error:
        raise ImproveError(str(error)) from error


def _keep(planned: Planned, records: Path) -> None:
    made = []
    for folder in planned.path.parents:
        if folder.exists():
            break
        made.append(str(folder))
    folder = kept.folder_of(records, planned.path)
    Applied(
        path=str(planned.path),
        existed=planned.before is not None,
        made_folder=bool(made),
        written=user_files.digest(planned.after),
        before=planned.before or b"",
        place=planned.place,
        made=tuple(reversed(made)),
    ).write(folder)


def _undo(written: list[Planned], wanted: list[Planned], records: Path) -> None:
    for each in written:
        with suppress(RegistrationError):
            kept.put_back(each.path, each.after, each.before, made_folder=False)
    for each in wanted:
        record = Applied.read(kept.folder_of(records, each.path))
        for made in reversed(record.made if record else ()):
            with suppress(OSError):
                Path(made).rmdir()
        kept.forget(kept.folder_of(records, each.path))


def _check_writable(path: Path) -> None:
    try:
        user_files.check_writable(path)
    except RegistrationError as error:
        raise _unwritable(path) from error
    nearest = next(each for each in path.parents if each.exists())
    if not os.access(nearest, os.W_OK):
        raise _unwritable(path)


def _unwritable(path: Path) -> ImproveError:
    return ImproveError(
        f"{path} was left as it is, and so was every other file: it cannot be written. Allow"
        " writing (chmod u+w) and run this again, or put the change in by hand: `harness improve"
        " show` prints it"
    )
