"""Builds the installed version that hooks of plugins and the `harness` command run with.

On the standard library alone: it runs from a plugin's folder with whatever Python there is
(`capture/bootstrap.sh` finds one). Below the home folder::

    versions/<version>[+n]/        a virtual environment with the locked dependencies
        package/harness_tracing/   our package, copied; `package` is on its module path
        package/requirements.lock
        version                    written last: without it the folder is a leftover
    current -> versions/<version>  replaced in one step, moves forward only
    bin/harness                    runs the current version
    bootstrap/                     lock, log, state.json; `wait`: no attempt before its time;
                                   `extras`: what else every version is to have

Environments are built where they stay, since they cannot be moved, and never changed
afterwards: one that no longer starts is replaced by a sibling, +2, +3 and so on. So killing
this anywhere leaves nothing but a leftover, which the next run clears away.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Literal, Optional

from harness_tracing.capture.capture import start_detached
from harness_tracing.environments import (
    IndexUnreachableError,
    Workshop,
    python_of,
    starts,
    write_capture,
    write_launcher,
    write_whole,
)
from harness_tracing.errors import BootstrapError
from harness_tracing.interpreters import interpreters
from harness_tracing.locks import FileLock
from harness_tracing.paths import Home

State = Literal["never ran", "building", "interrupted", "ready", "failed"]
PAUSE_S = 60
LONGEST_PAUSE_S = 900
MOST_ATTEMPTS = 2
KEEP_VERSIONS_S = 30 * 86_400


@dataclass(frozen=True)
class Progress:
    """How far the last bootstrap came; `failures` counts those in a row. Times in Unix ns."""

    state: State = "never ran"
    message: str = ""
    version: Optional[str] = None
    interpreter: Optional[str] = None
    failures: int = 0
    updated_at_ns: int = 0


def status(home: Home) -> Progress:
    """What the last bootstrap of this home came to; `interrupted` if it was killed."""
    progress = _read_progress(home)
    if progress.state != "building":
        return progress
    with suppress(OSError), exclusive(home.bootstrap / "lock", wait=False) as lock:
        if lock is not None:
            return replace(progress, state="interrupted")
    return progress


def run(
    home: Home,
    source: Path,
    environ: Mapping[str, str],
    *,
    wait: bool = True,
    rebuild: bool = False,
    renew: bool = False,
    tell: Callable[[str], None] = lambda step: None,
) -> int:
    """Have a version installed that is at least as new as `source` and starts.

    `source` is a folder `harness_tracing`; `requirements.lock` lies beside it (in the
    repository: beside `src`). `environ` goes to pip and uv (index settings, proxies) and to
    the worker that then takes up what waits in the spool. With another bootstrap at work:
    waits for it, or leaves it to that one (`wait=False`). `rebuild` makes a new environment
    in any case, `renew` where this source is of the installed version, but not the same: hooks
    of plugins must not ask for that, or two of them would replace each other for ever.
    Returns 0, or 1 after a failure, which `status` explains.
    """
    try:
        # One by one: the mode would hold for the last of them only.
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.bootstrap.mkdir(mode=0o700, exist_ok=True)
        with exclusive(home.bootstrap / "lock", wait) as lock:
            if lock is None:
                return 0
            if not _Job(home, source, dict(environ), lock, tell, renew).succeeds(rebuild):
                return 1
    except OSError as error:
        tell(f"cannot write in {home.root}: {error.strerror or error}")
        return 1
    words = [str(python_of(home.current)), "-I", "-m", "harness_tracing.worker"]
    start_detached([*words, "--home", str(home.root), "--sweep"], str(home.root), environ)
    return 0


def main(arguments: list[str]) -> int:
    """Run as `capture/bootstrap.sh` starts it: ``--home HOME [--wait]``."""
    parser = argparse.ArgumentParser(prog="bootstrap")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--wait", action="store_true", help="wait for another one; tell each step")
    options = parser.parse_args(arguments)

    def tell(step: str) -> None:
        if options.wait:
            sys.stderr.write(step + "\n")

    if not options.wait and sys.platform != "win32":
        with suppress(OSError):
            os.setsid()  # what the agent's process group is sent is not meant for us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # capture had it ignored
    source = Path(__file__).resolve().parent
    home, by_hand = Home(options.home), options.wait
    return run(home, source, os.environ, wait=by_hand, renew=by_hand, tell=tell)


# --- what is to be done --------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """One bootstrap under its lock."""

    home: Home
    source: Path
    environ: Mapping[str, str]
    lock: int
    tell: Callable[[str], None]
    renew: bool

    def succeeds(self, rebuild: bool) -> bool:
        """Do it, and leave a note of what came of it."""
        earlier = _read_progress(self.home)
        _pause(self.home, PAUSE_S)
        try:
            version = self._bring_up_to_date(rebuild)
        except (BootstrapError, OSError) as error:
            failures = earlier.failures + 1
            _pause(self.home, min(PAUSE_S * 2 ** min(failures - 1, 10), LONGEST_PAUSE_S))
            self._note(state="failed", message=str(error), failures=failures)
            return False
        if (earlier.state, earlier.version, earlier.failures) != ("ready", version, 0):
            message = f"version {version} is ready"
            self._note(state="ready", message=message, version=version, failures=0)
        return True

    def _bring_up_to_date(self, rebuild: bool) -> str:
        """Install what is missing; returns the version that is current then."""
        home, source, wanted = self.home, self.source, version_of(self.source)
        installed = _version_file(home.current)
        if installed is not None and version_key(installed) >= version_key(wanted):
            other = self.renew and installed == wanted and not _holds(home.current, source)
            if not rebuild and not other and starts(home.current, self.environ):
                _place(home)
                return installed
            own = home.current / "package" / "harness_tracing"
            if version_key(installed) > version_key(wanted) and (own / "__init__.py").exists():
                source, wanted = own, installed  # broken, but newer: build that one again
        target = None if rebuild else self._finished(source, wanted)
        if target is None:
            target = _free_folder(home.versions, wanted)
            self._build(target, source, wanted)
        before = home.current.resolve()
        _point(home.current, target)
        _place(home)
        _clear_away(home, keep={target.resolve(), before})
        return wanted

    def _finished(self, source: Path, version: str) -> Optional[Path]:
        """An environment of this source that is whole and starts, but was never current."""
        current = self.home.current.resolve()
        for folder in self.home.versions.glob("*"):
            usable = _version_file(folder) == version and folder.resolve() != current
            if usable and _holds(folder, source) and starts(folder, self.environ):
                return folder
        return None

    def _build(self, target: Path, source: Path, version: str) -> None:
        """Build with the first interpreter that can; BootstrapError if none does."""
        lock_file = _lock_file(source)
        workshop = Workshop(self.home.bootstrap / "log", self.home.root, self.lock, self.environ)
        problem = "no Python 3.9 or newer was found: install one (https://www.python.org or uv)"
        for python in interpreters(self.environ)[:MOST_ATTEMPTS]:
            message = f"installing version {version} with {python}"
            self._note(state="building", message=message, version=version, interpreter=python)
            try:
                workshop.build(target, python, source, lock_file)
                self._add_extras(workshop, target, python, lock_file)
            except BootstrapError as error:
                problem = str(error)
                shutil.rmtree(target, ignore_errors=True)
                if isinstance(error, IndexUnreachableError):
                    break
                continue
            write_whole(target / "version", version + "\n")
            return
        raise BootstrapError(problem)

    def _add_extras(self, workshop: Workshop, target: Path, python: str, lock_file: Path) -> None:
        """What was installed besides into a version before is wanted in this one, too."""
        for name in kept_extras(self.home):
            lock = lock_file.with_name(f"requirements-{name}.lock")
            try:
                if lock.exists():
                    workshop.add(target, python, lock)
            except BootstrapError as error:  # without it everything else works
                self.tell(f"the extra {name} is missing now: {error}")

    def _note(self, **changes: Any) -> None:
        """Record where we are, for `status`, and tell it."""
        progress = replace(_read_progress(self.home), updated_at_ns=time.time_ns(), **changes)
        self.tell(progress.message)
        write_whole(self.home.bootstrap / "state.json", json.dumps(asdict(progress)) + "\n")


# --- files ---------------------------------------------------------------------------------


def _place(home: Home) -> None:
    """Put what people and agents call by name where it always is, in the current version."""
    write_launcher(home.bin, home.current)
    installed = home.current / "package" / "harness_tracing"
    if home.capture.exists() and (installed / "capture").exists():
        write_capture(home.capture, installed.resolve())


def _free_folder(versions: Path, version: str) -> Path:
    for number in range(1, 10_000):
        folder = versions / (version if number == 1 else f"{version}+{number}")
        if not (folder / "version").exists():
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return folder
    raise BootstrapError(f"too many environments in {versions}: remove the old ones")


def _clear_away(home: Home, keep: set[Path]) -> None:
    """Remove leftovers, and versions that nothing has pointed to for a month."""
    for folder in home.versions.glob("*"):
        old = time.time() - folder.stat().st_mtime > KEEP_VERSIONS_S
        if folder.resolve() not in keep and (old or not (folder / "version").exists()):
            shutil.rmtree(folder, ignore_errors=True)
    for link in home.root.glob(".current.*"):
        link.unlink()


def version_of(source: Path) -> str:
    """The version a package folder states of itself, read without importing it."""
    try:
        text = (source / "__init__.py").read_text(encoding="utf-8")
    except OSError as error:
        raise BootstrapError(f"{source} is not our package: {error.strerror}") from error
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise BootstrapError(f"{source / '__init__.py'} states no version")
    return found[1]


def version_key(version: str) -> tuple[tuple[int, ...], int, int]:
    """What orders versions: 0.9 < 0.10.dev1 < 0.10a1 < 0.10b1 < 0.10rc1 < 0.10."""
    parts = re.match(r"(\d+(?:\.\d+)*)\.?(?:(dev|a|b|rc)(\d+))?", version)
    if parts is None:
        return (), 0, 0
    release = [int(number) for number in parts[1].split(".")]
    while release and release[-1] == 0:
        release.pop()
    stage = ("dev", "a", "b", "rc", None).index(parts[2])
    return tuple(release), stage, int(parts[3] or 0)


def kept_extras(home: Home) -> list[str]:
    """The extras that were asked for here: every version gets them."""
    try:
        return (home.bootstrap / "extras").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def add_extra(home: Home, environment: Path, name: str, environ: Mapping[str, str]) -> None:
    """Install an extra into one of our environments, from its lock; later versions have it too.

    Raises BootstrapError: it says why, and the environment works as before.
    """
    lock_file = environment / "package" / f"requirements-{name}.lock"
    if not lock_file.exists():
        raise BootstrapError(f"{lock_file} is missing: run `harness bootstrap --rebuild`")
    base = getattr(sys, "_base_executable", "") or sys.executable
    with exclusive(home.bootstrap / "lock", wait=True) as lock:
        assert lock is not None
        workshop = Workshop(home.bootstrap / "log", home.root, lock, environ)
        workshop.add(environment, base, lock_file)
        names = dict.fromkeys((*kept_extras(home), name))
        write_whole(home.bootstrap / "extras", "\n".join(names) + "\n")


def _holds(environment: Path, source: Path) -> bool:
    """Whether an environment was built of exactly this source and its lock."""
    package = environment / "package"
    try:
        same_lock = (package / "requirements.lock").read_bytes() == _lock_file(source).read_bytes()
    except OSError:
        return False
    return same_lock and _files(package / "harness_tracing") == _files(source)


def _files(folder: Path) -> dict[Path, bytes]:
    found = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in found if path.is_file()}


def _lock_file(source: Path) -> Path:
    """The locked dependencies: in the package (from a wheel), beside it, or in `python/`."""
    for folder in (source, source.parent, source.parent.parent):
        if (folder / "requirements.lock").exists():
            return folder / "requirements.lock"
    raise BootstrapError(f"requirements.lock is missing beside {source}: install it again")


def _version_file(environment: Path) -> Optional[str]:
    try:
        return (environment / "version").read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def _read_progress(home: Home) -> Progress:
    try:
        return Progress(**json.loads((home.bootstrap / "state.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return Progress()


def _pause(home: Home, seconds: int) -> None:
    """No attempt of capture's for so long."""
    wait = home.bootstrap / "wait"
    wait.touch()
    until = time.time() + seconds
    os.utime(wait, (until, until))


def _point(current: Path, target: Path) -> None:
    """Let `current` lead to the environment beside it, in one step."""
    if sys.platform == "win32":  # links need a privilege there, junctions do not
        import _winapi

        with suppress(FileNotFoundError):
            current.rmdir()
        _winapi.CreateJunction(str(target), str(current))
    else:
        link = current.with_name(f".current.{os.getpid()}")
        link.unlink(missing_ok=True)
        link.symlink_to(target.relative_to(current.parent))
        link.replace(current)


@contextmanager
def exclusive(path: Path, wait: bool) -> Iterator[Optional[int]]:
    """Hold the kernel lock of a file; gives its descriptor, or None if another holds it."""
    path.touch(mode=0o600)
    lock = FileLock(path)
    try:
        while not lock.acquire() and wait:
            time.sleep(0.2)
        yield lock.descriptor
    finally:
        lock.release()
