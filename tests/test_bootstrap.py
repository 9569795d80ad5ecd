"""Building the installed version: from nothing, again, at once, killed anywhere.

A small package stands in for ours, so that an environment takes seconds and no network:
our own bootstrap with a worker that only leaves a mark, and a wheel made here as its one
dependency. `test_the_real_package` installs the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness_tracing
from harness_tracing import bootstrap
from harness_tracing.environments import python_of, write_launcher
from harness_tracing.errors import BootstrapError
from harness_tracing.interpreters import interpreters
from harness_tracing.paths import Home

PACKAGE = Path(harness_tracing.__file__).resolve().parent
WORKER = """
import sys
from pathlib import Path
import dependency
if __name__ == "__main__":
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    with (home / "worker-ran").open("a") as mark:
        mark.write(" ".join(sys.argv[3:]) + "\\n")
"""
REAL_PYTHON = str(getattr(sys, "_base_executable", sys.executable))
COPIED = (
    "bootstrap.py",
    "environments.py",
    "interpreters.py",
    "errors.py",
    "locks.py",
    "paths.py",
    "capture",
)


@dataclass(frozen=True)
class Vendor:
    """A plugin's vendor folder, and a wheelhouse to install from."""

    folder: Path
    wheels: Path

    @property
    def source(self) -> Path:
        return self.folder / "harness_tracing"

    @property
    def script(self) -> Path:
        return self.source / "capture" / "bootstrap.sh"

    def environ(self, **more: str) -> dict[str, str]:
        """One interpreter, no index, and this folder's wheels."""
        path = f"{self.wheels / 'bin'}:/usr/bin:/bin"
        kept = {"PATH": path, "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
        return {**kept, "PIP_FIND_LINKS": str(self.wheels), "HOME": str(self.wheels), **more}

    def set_version(self, version: str) -> None:
        (self.source / "__init__.py").write_text(f'__version__ = "{version}"\n')


def wheel(folder: Path, name: str = "dependency") -> str:
    """Make a wheel of that name; returns its line for requirements.lock."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    digests = {n: base64.urlsafe_b64encode(hashlib.sha256(c).digest()) for n, c in files.items()}
    record = "".join(f"{n},sha256={d.decode().rstrip('=')},\n" for n, d in digests.items())
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def answering(folder: Path, name: str, answer: str) -> None:
    """Put a command on a PATH that answers like an interpreter asked for its version."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    made = Vendor(tmp_path / "plugin" / "vendor", tmp_path / "wheels")
    made.source.mkdir(parents=True)
    for name in COPIED:
        origin = PACKAGE / name
        copy = shutil.copytree if origin.is_dir() else shutil.copyfile
        copy(origin, made.source / name)
    made.set_version("1.0")
    (made.source / "worker.py").write_text(WORKER)
    (made.source / "cli.py").write_text("import sys\ndef main(): print('harness', *sys.argv)\n")
    (made.folder / "requirements.lock").write_text(wheel(made.wheels))
    answering(made.wheels / "bin", "python3", f'exec {REAL_PYTHON} "$@"')
    return made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a 'home'")


def run(home: Home, vendor: Vendor, **options: bool) -> int:
    return bootstrap.run(home, vendor.source, vendor.environ(), **options)


def swept(home: Home, times: int) -> bool:
    """Whether the worker was started so often, to sweep."""
    mark, deadline = home.root / "worker-ran", time.monotonic() + 20
    while time.monotonic() < deadline:
        if mark.exists() and len(mark.read_text().splitlines()) == times:
            return mark.read_text().splitlines()[-1] == "--sweep"
        time.sleep(0.05)
    return False


def said_by(command: Path, *words: str) -> str:
    return subprocess.check_output([str(command), *words], text=True, env={}).strip()


def works(home: Home, version: str) -> bool:
    """Whether the current version is this one, whole, and has its command and dependency."""
    python = home.current / "bin" / "python"
    question = "import dependency, harness_tracing as h; print(h.__version__, h.__file__)"
    told, where = said_by(python, "-I", "-c", question).split(" ", 1)
    return (told, Path(where).parent, said_by(home.bin / "harness", "x")) == (
        version,
        home.current / "package" / "harness_tracing",
        "harness harness x",
    )


def break_interpreter(home: Home) -> None:
    """As an upgrade of the operating system does it."""
    python = home.current / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")


def test_from_nothing(home: Home, vendor: Vendor) -> None:
    before = sorted(vendor.folder.rglob("*"))
    assert run(home, vendor) == 0
    assert works(home, "1.0")
    assert str(home.current.readlink()) == "versions/1.0"
    assert bootstrap.status(home).state == "ready"
    assert said_by(home.versions / "1.0" / "bin" / "harness") == "harness harness"
    assert swept(home, 1)
    assert sorted(vendor.folder.rglob("*")) == before, "it wrote into the plugin"


def test_again_changes_nothing_but_sweeps(home: Home, vendor: Vendor) -> None:
    run(home, vendor)
    made = (home.versions / "1.0" / "version").stat().st_mtime_ns
    assert run(home, vendor) == 0
    assert (home.versions / "1.0" / "version").stat().st_mtime_ns == made
    assert [p.name for p in home.versions.iterdir()] == ["1.0"]
    assert swept(home, 2)


def test_the_script_finds_a_python_and_leaves_the_plugin_as_it_is(
    home: Home, vendor: Vendor
) -> None:
    before = sorted(vendor.folder.rglob("*"))
    words = ["sh", str(vendor.script), str(home.root), "--wait"]
    done = subprocess.run(words, env=vendor.environ(), capture_output=True, text=True, check=True)
    assert "installing version 1.0" in done.stderr
    assert done.stdout == ""
    assert works(home, "1.0")
    assert sorted(vendor.folder.rglob("*")) == before


def test_the_plugins_own_command_installs_on_request(home: Home, vendor: Vendor) -> None:
    command = PACKAGE.parents[2] / "plugins" / "claude-code-tracing" / "bin" / "harness"
    own = vendor.folder.parent / "bin" / "harness"
    own.parent.mkdir()
    shutil.copy(command, own)
    env = vendor.environ(ARIZE_HARNESS_HOME=str(home.root))
    done = subprocess.run([str(own), "bootstrap"], env=env, capture_output=True, check=True)
    assert b"version 1.0 is ready" in done.stderr
    assert subprocess.check_output([str(own), "x"], env=env) == b"harness harness x\n"


def test_ten_at_once_build_one(home: Home, vendor: Vendor) -> None:
    words = ["sh", str(vendor.script), str(home.root)]
    started = [subprocess.Popen(words, env=vendor.environ()) for _ in range(10)]
    assert {process.wait() for process in started} == {0}
    assert works(home, "1.0")
    log = (home.bootstrap / "log").read_text()
    assert log.count("-m pip") == 1


def test_a_newer_version_takes_over_and_an_older_one_does_not(home: Home, vendor: Vendor) -> None:
    run(home, vendor)
    vendor.set_version("1.10")
    assert run(home, vendor) == 0
    assert works(home, "1.10")
    assert (home.versions / "1.0" / "version").exists(), "running workers still use it"
    vendor.set_version("1.9")
    assert run(home, vendor) == 0
    assert works(home, "1.10")
    assert sorted(p.name for p in home.versions.iterdir()) == ["1.0", "1.10"]


def test_an_interpreter_that_is_gone_is_replaced(home: Home, vendor: Vendor) -> None:
    run(home, vendor)
    break_interpreter(home)
    assert run(home, vendor) == 0
    assert works(home, "1.0")
    assert str(home.current.readlink()) == "versions/1.0+2"


def test_a_broken_newer_version_is_built_again_from_itself(home: Home, vendor: Vendor) -> None:
    vendor.set_version("2.0")
    run(home, vendor)
    break_interpreter(home)
    vendor.set_version("1.0")
    assert run(home, vendor) == 0
    assert works(home, "2.0")


def test_a_rebuild_on_request(home: Home, vendor: Vendor) -> None:
    run(home, vendor)
    assert run(home, vendor, rebuild=True) == 0
    assert works(home, "1.0")
    assert str(home.current.readlink()) == "versions/1.0+2"


def test_by_hand_the_same_version_with_other_content_is_built_anew(
    home: Home, vendor: Vendor
) -> None:
    run(home, vendor)
    (vendor.source / "more.py").write_text("")
    assert run(home, vendor) == 0, "hooks never replace what works"
    assert str(home.current.readlink()) == "versions/1.0"
    assert run(home, vendor, renew=True) == 0
    assert str(home.current.readlink()) == "versions/1.0+2"
    assert (home.current / "package" / "harness_tracing" / "more.py").exists()
    assert run(home, vendor, renew=True) == 0
    assert str(home.current.readlink()) == "versions/1.0+2"


def test_an_extra_is_installed_hash_checked_and_stays_over_an_upgrade(
    home: Home, vendor: Vendor
) -> None:
    base = (vendor.folder / "requirements.lock").read_text()
    more = wheel(vendor.wheels, "more")
    (vendor.folder / "requirements-much.lock").write_text(base + more)
    run(home, vendor)
    environment = home.current.resolve()
    bootstrap.add_extra(home, environment, "much", vendor.environ())
    question = "import dependency, more; print('both')"
    assert said_by(environment / "bin" / "python", "-I", "-c", question) == "both"
    vendor.set_version("1.1")
    assert run(home, vendor) == 0
    assert works(home, "1.1")
    assert said_by(home.current / "bin" / "python", "-I", "-c", question) == "both"


def test_an_extra_with_another_hash_is_refused_and_not_kept(home: Home, vendor: Vendor) -> None:
    line = wheel(vendor.wheels, "more")
    wrong = line[:-2] + ("0" if line[-2] != "0" else "1") + "\n"
    (vendor.folder / "requirements-much.lock").write_text(wrong)
    run(home, vendor)
    with pytest.raises(BootstrapError, match="HASHES"):
        bootstrap.add_extra(home, home.current.resolve(), "much", vendor.environ())
    assert bootstrap.kept_extras(home) == []
    assert works(home, "1.0")


def test_a_failure_is_told_and_mended_by_the_next_attempt(home: Home, vendor: Vendor) -> None:
    lock = vendor.folder / "requirements.lock"
    good = lock.read_text()
    wrong = good[:-2] + ("0" if good[-2] != "0" else "1") + "\n"
    lock.write_text(wrong)
    told: list[str] = []
    assert bootstrap.run(home, vendor.source, vendor.environ(), tell=told.append) == 1
    failed = bootstrap.status(home)
    assert (failed.state, failed.failures) == ("failed", 1)
    assert "HASHES" in failed.message
    assert str(home.bootstrap / "log") in failed.message
    assert told[-1] == failed.message
    assert (home.bootstrap / "wait").stat().st_mtime > time.time() + 50
    assert not home.current.exists()
    assert list(home.versions.iterdir()) == []
    lock.write_text(good)
    assert run(home, vendor) == 0
    assert works(home, "1.0")
    assert (bootstrap.status(home).state, bootstrap.status(home).failures) == ("ready", 0)


def test_a_failed_upgrade_leaves_the_version_before(home: Home, vendor: Vendor) -> None:
    run(home, vendor)
    vendor.set_version("1.1")
    (vendor.source / "worker.py").write_text("import no_such_module\n")
    assert run(home, vendor) == 1
    assert works(home, "1.0")


def test_a_missing_lock_file_says_what_to_do(home: Home, vendor: Vendor) -> None:
    (vendor.folder / "requirements.lock").unlink()
    assert run(home, vendor) == 1
    assert "install it again" in bootstrap.status(home).message


def test_a_home_that_cannot_be_written_is_told(home: Home, vendor: Vendor) -> None:
    home.root.write_text("a file in the way")
    told: list[str] = []
    assert bootstrap.run(home, vendor.source, vendor.environ(), tell=told.append) == 1
    assert "cannot write" in told[0]


def kill_at_random(home: Home, vendor: Vendor, within_s: float) -> None:
    """Start a bootstrap and kill it with all its children, or itself alone."""
    words = ["sh", str(vendor.script), str(home.root), "--wait"]
    process = subprocess.Popen(
        words, env=vendor.environ(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(random.uniform(0, within_s))
    kill = random.choice([os.kill, os.killpg])
    kill(process.pid, signal.SIGKILL)
    process.wait()


def check_kills(home: Home, vendor: Vendor, kills: int) -> None:
    """Kill so many; `current` always works or is not there, and in the end all is well."""
    for turn in range(kills):
        kill_at_random(home, vendor, within_s=3)
        if home.current.exists():
            version = (home.current / "version").read_text().strip()
            assert works(home, version)
            vendor.set_version(f"1.{turn + 1}")
    assert run(home, vendor) == 0
    version = bootstrap.version_of(vendor.source)
    assert works(home, version)
    assert bootstrap.status(home).state == "ready"
    for folder in home.versions.iterdir():
        assert (folder / "version").exists(), f"{folder.name} is a leftover"


def test_killed_at_random_moments_it_recovers(home: Home, vendor: Vendor) -> None:
    check_kills(home, vendor, kills=4)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_fifty_times_it_recovers(home: Home, vendor: Vendor) -> None:
    check_kills(home, vendor, kills=50)


def test_a_killed_bootstrap_is_told_from_a_running_one(home: Home, vendor: Vendor) -> None:
    home.bootstrap.mkdir(parents=True)
    state = home.bootstrap / "state.json"
    state.write_text(json.dumps({"state": "building", "message": "installing"}))
    with bootstrap.exclusive(home.bootstrap / "lock", wait=False):
        assert bootstrap.status(home).state == "building"
    assert bootstrap.status(home).state == "interrupted"


def test_what_a_killed_one_started_holds_the_lock(home: Home, vendor: Vendor) -> None:
    """A pip that lives on must not write beside the next bootstrap."""
    home.bootstrap.mkdir(parents=True)
    lock = home.bootstrap / "lock"
    with bootstrap.exclusive(lock, wait=False) as held:
        assert held is not None
        child = subprocess.Popen(["sleep", "60"], pass_fds=(held,))
    with bootstrap.exclusive(lock, wait=False) as again:
        assert again is None
    child.kill()
    child.wait()
    with bootstrap.exclusive(lock, wait=False) as again:
        assert again is not None


def test_versions_are_in_order() -> None:
    ordered = ["0.9", "0.10.dev1", "0.10a1", "0.10b2", "0.10rc1", "0.10", "0.10.1", "1.0"]
    assert sorted({*ordered}, key=bootstrap.version_key) == ordered
    assert bootstrap.version_key("1.0.0") == bootstrap.version_key("1.0")
    assert bootstrap.version_key("unreadable") < bootstrap.version_key("0.0.1")


def test_a_folder_that_is_not_our_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match="not our package"):
        bootstrap.version_of(tmp_path)


def test_a_real_interpreter_is_one_that_says_where_it_is(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    answering(tools, "python3", f'exec {REAL_PYTHON} "$@"')  # a shim
    answering(tools, "python", "echo Python was not found; run from the Microsoft Store; exit 9")
    answering(tools, "python3.12", "echo 3 8 /bin/sh")
    answering(tools, "python3.11", "echo 3 11 /nowhere/python3.11")
    found = interpreters({"PATH": str(tools)})
    assert found == [REAL_PYTHON]


def test_newer_interpreters_come_before_a_3_9(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    answering(tools, "python3", "echo 3 9 /bin/sh")
    answering(tools, "python3.10", "echo 3 10 /bin/cat")
    found = interpreters({"PATH": str(tools)})
    assert found.index("/bin/cat") < found.index("/bin/sh")


def test_the_script_looks_for_a_python_as_well(home: Home, vendor: Vendor, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    answering(tools, "python3", "exit 9")
    answering(tools, "python", "echo 2.7; exit 1")
    answering(tools, "python3.10", f'exec {REAL_PYTHON} "$@"')
    path = f"{tools}:/usr/local/bin:/usr/bin:/bin"
    words = ["sh", str(vendor.script), str(home.root), "--wait"]
    subprocess.run(words, env=vendor.environ(PATH=path), capture_output=True, check=True)
    assert works(home, "1.0")


@pytest.mark.e2e
def test_the_real_package(tmp_path: Path) -> None:
    """From the real index, with the real dependencies."""
    home = Home(tmp_path / "home")
    assert bootstrap.run(home, PACKAGE, os.environ) == 0
    assert said_by(home.bin / "harness", "--version").endswith(harness_tracing.__version__)
    line = said_by(home.bin / "harness", "hook-command", "claude-code", "Stop")
    assert str(home.current / "bin" / "python") in line
    capture = home.current / "package" / "harness_tracing" / "capture" / "capture.sh"
    assert str(capture) in line, "a path that later versions have as well"


def test_the_command_says_what_to_do_when_its_python_is_gone(tmp_path: Path) -> None:
    environment = tmp_path / "environment of 'mine'"
    python_of(environment).parent.mkdir(parents=True)
    python_of(environment).symlink_to(tmp_path / "uninstalled")
    write_launcher(tmp_path / "bin", environment)
    done = subprocess.run([str(tmp_path / "bin" / "harness")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{python_of(environment)} is not there any more" in done.stderr
    assert "run install.sh again" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_a_home_it_makes_is_its_users_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    assert bootstrap.run(home, tmp_path / "no package", {"PATH": ""}) == 1
    assert home.root.stat().st_mode & 0o077 == 0
