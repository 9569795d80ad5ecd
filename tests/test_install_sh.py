"""install.sh: what it does in which order, again, interrupted, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tarfile
import time
from pathlib import Path
from typing import Callable

import pytest

from tests import golden
from tests.installer import REAL_PYTHON, ROOT, Machine
from tests.terminal import at_a_terminal

SET_UP = ["install claude", "setup claude --backend local --yes"]
WORDS = ("claude", "--yes", "--backend", "local")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.made(tmp_path)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def works(machine: Machine, version: str = "1.0") -> bool:
    home = machine.home
    leftovers = [path for path in home.bootstrap.iterdir() if path.name.startswith("source")]
    done = subprocess.run([str(home.bin / "harness"), "--version"], env={}, check=False)
    return (done.returncode, leftovers, (home.current / "version").read_text()) == (
        0,
        [],
        version + "\n",
    )


def test_from_a_checkout_it_builds_registers_and_sets_up(machine: Machine) -> None:
    done = machine.run(*WORDS)
    assert (done.returncode, done.stdout) == (0, "")
    assert works(machine)
    assert machine.calls() == SET_UP
    golden.check("install/from-a-checkout", machine.text(done))


def test_several_agents_and_skills(machine: Machine) -> None:
    done = machine.run("claude", "codex", "--yes", "--with-skills")
    assert done.returncode == 0, done.stderr
    assert machine.calls() == [
        "install claude",
        "skills install claude",
        "install codex",
        "skills install codex",
        "setup claude --yes",
        "setup codex --yes",
    ]


def test_piped_from_a_repository_and_updated_by_the_script_it_left(machine: Machine) -> None:
    url = machine.published()
    done = machine.piped(*WORDS, HARNESS_REPOSITORY=url)
    assert (done.returncode, works(machine)) == (0, True), done.stderr
    assert machine.calls() == SET_UP
    (machine.package / "more.py").write_text("")
    machine.published()
    done = machine.run("update", script=machine.home.bootstrap / "install.sh")
    assert done.returncode == 0, done.stderr
    assert (machine.home.current / "package" / "harness_tracing" / "more.py").exists()
    assert machine.calls() == ["install claude"], "what is registered, and no questions"


def test_a_branch_is_taken_and_kept(machine: Machine) -> None:
    url = machine.published()
    machine.git("checkout", "-qb", "next")
    machine.set_version("1.1")
    machine.published()
    machine.git("checkout", "-q", "main")
    done = machine.piped("claude", "--yes", "--branch", "next", HARNESS_REPOSITORY=url)
    assert done.returncode == 0, done.stderr
    assert works(machine, "1.1")
    assert (machine.home.bootstrap / "origin").read_text() == f"{url}\nnext\n"


@pytest.mark.parametrize("fetches", ["curl", "wget"])
def test_without_git_a_tarball_is_taken(machine: Machine, fetches: str) -> None:
    archive = machine.folder / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(machine.checkout, "coding-harness-tracing-main")
    if fetches == "wget":  # it knows no file:// itself
        machine.without("curl")
        machine.answer("wget", 'cp "${4#file://}" "$3"')
    machine.without("git")
    done = machine.piped(*WORDS, HARNESS_REPOSITORY=f"file://{archive}")
    assert (done.returncode, works(machine)) == (0, True), done.stderr


def test_where_the_repository_is_out_of_reach_its_own_checkout_serves(machine: Machine) -> None:
    done = machine.run(*WORDS, HARNESS_REPOSITORY=f"{NOWHERE}/x")
    assert (done.returncode, works(machine)) == (0, True)
    assert f"taking {machine.checkout}" in done.stderr


def test_again_it_updates_and_an_older_one_takes_nothing_back(machine: Machine) -> None:
    assert machine.run(*WORDS).returncode == 0
    machine.set_version("1.1")
    assert machine.run(*WORDS).returncode == 0
    assert works(machine, "1.1")
    machine.set_version("1.0")
    assert machine.run(*WORDS).returncode == 0
    assert works(machine, "1.1")


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_download_cut_anywhere_does_nothing(machine: Machine, tenth: int) -> None:
    text = machine.script.read_text()
    machine.piped("claude", text=text[: len(text) * tenth // 10])
    assert everything(machine.user_home) == []


MILESTONES: dict[str, Callable[[Machine], bool]] = {
    "the code is fetched": lambda machine: any(machine.home.bootstrap.glob("source.*/python")),
    "the environment is begun": lambda machine: any(machine.home.versions.glob("*")),
    "the environment is current": lambda machine: machine.home.current.exists(),
    "the agent is registered": lambda machine: machine.home.registrations.exists(),
}


@pytest.mark.parametrize("milestone", list(MILESTONES))
def test_killed_between_any_two_steps_a_second_run_completes(
    machine: Machine, milestone: str
) -> None:
    url = machine.published()
    reached = MILESTONES[milestone]
    process = subprocess.Popen(
        ["bash", str(machine.script), *WORDS],
        env=machine.env(HARNESS_REPOSITORY=url),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not reached(machine) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    machine.calls()
    done = machine.run(*WORDS, HARNESS_REPOSITORY=url)
    assert (done.returncode, works(machine)) == (0, True), done.stderr
    assert machine.calls() == SET_UP
    assert all((folder / "version").exists() for folder in machine.home.versions.iterdir())


def test_piped_into_bash_at_a_terminal_the_wizard_gets_the_terminal(machine: Machine) -> None:
    command = f'cat "{machine.script}" | bash -s -- claude'
    env = machine.env(HARNESS_REPOSITORY=str(machine.checkout))
    process, terminal = at_a_terminal(["/bin/sh", "-c", command], env, cwd=machine.user_home)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # it has ended
            break
    assert process.wait(60) == 0, shown
    os.close(terminal)
    assert machine.calls() == ["install claude", "setup claude at a terminal"]


def test_what_the_agent_refuses_ends_it(machine: Machine) -> None:
    done = machine.run("nobody", "claude", "--yes")
    assert done.returncode == 1
    assert machine.calls() == ["install nobody"]


def test_uninstalling_is_the_installed_commands_work(machine: Machine) -> None:
    assert machine.run(*WORDS).returncode == 0
    machine.calls()
    assert machine.run("uninstall", "claude").returncode == 0
    assert machine.run("uninstall", "--all", "--yes", "--delete-store").returncode == 0
    assert machine.run("uninstall").returncode == 0
    assert machine.calls() == [
        "uninstall claude",
        "uninstall --all --yes --delete-store",
        "uninstall --all",
    ]


# --- what it says when it cannot ------------------------------------------------------------


def check_refused(machine: Machine, name: str, done: subprocess.CompletedProcess[str]) -> None:
    """It failed, said so as the golden file has it, and nothing is installed or registered."""
    assert done.returncode in (1, 2)
    assert machine.calls() == []
    assert not machine.home.current.exists() and not machine.home.bin.exists()
    golden.check(f"install/{name}", machine.text(done))


def test_no_python_at_all(machine: Machine) -> None:
    machine.without("python3", "uv")
    check_refused(machine, "no-python", machine.run(*WORDS))


def test_only_an_old_python(machine: Machine) -> None:
    machine.without("uv")
    machine.answer("python3", '[ "$1" = -V ] && echo Python 3.8.10 && exit; exit 1')
    check_refused(machine, "old-python", machine.run(*WORDS))


def without_modules(folder: Path, *left_out: str) -> Path:
    """A Python that lacks modules of its library, as Debian's does without its packages."""
    library = Path(sysconfig.get_path("stdlib"))
    own = folder / "lib" / library.name
    own.mkdir(parents=True)
    for path in library.iterdir():
        if path.name not in (*left_out, "site-packages"):
            (own / path.name).symlink_to(path)
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    shutil.copy(REAL_PYTHON, python)
    return python


def test_a_python_without_venv(machine: Machine) -> None:
    machine.without("uv")
    python = without_modules(machine.folder / "usr", "venv", "ensurepip")
    machine.without("python3")
    (machine.tools / "python3").symlink_to(python)
    done = machine.run(*WORDS)
    check_refused(machine, "no-venv", done)


@pytest.mark.parametrize("way", ["offline", "proxy"])
def test_packages_out_of_reach(machine: Machine, way: str) -> None:
    machine.without("uv")
    lock = machine.checkout / "python" / "requirements.lock"
    lock.write_text(f"nothing==1.0 --hash=sha256:{'0' * 64}\n")
    more = {"PIP_INDEX_URL": f"{NOWHERE}/simple"}
    if way == "proxy":
        more = {"https_proxy": NOWHERE, "PIP_INDEX_URL": "https://pypi.example.invalid/simple"}
    done = machine.run(*WORDS, PIP_RETRIES="0", **more)
    check_refused(machine, "packages-out-of-reach", done)
    assert list(machine.home.versions.iterdir()) == []


@pytest.mark.parametrize("with_git", [True, False])
def test_the_code_out_of_reach(machine: Machine, with_git: bool) -> None:
    if not with_git:
        machine.without("git")
    done = machine.piped(*WORDS, HARNESS_REPOSITORY=f"{NOWHERE}/owner/x")
    check_refused(machine, "code-out-of-reach", done)
    assert everything(machine.user_home) == []


def test_nothing_to_fetch_with(machine: Machine) -> None:
    machine.without("git", "curl")
    done = machine.piped(*WORDS, HARNESS_REPOSITORY="https://example.invalid/x")
    check_refused(machine, "nothing-to-fetch-with", done)
    assert everything(machine.user_home) == []


def test_a_repository_of_something_else(machine: Machine) -> None:
    shutil.rmtree(machine.checkout / "python")
    (machine.checkout / "README.md").write_text("something else\n")
    done = machine.piped(*WORDS, HARNESS_REPOSITORY=machine.published())
    check_refused(machine, "something-else", done)


def test_a_copy_that_was_not_published(machine: Machine) -> None:
    check_refused(machine, "not-published", machine.piped(*WORDS))


def test_a_home_that_cannot_be_written(machine: Machine) -> None:
    (machine.user_home / ".arize").write_text("a file in the way")
    check_refused(machine, "read-only-home", machine.run(*WORDS))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-agent", ()),
        ("unknown-option", ("claude", "--fast")),
        ("unknown-backend", ("claude", "--backend", "elsewhere")),
        ("no-value", ("claude", "--branch")),
        ("no-such-word", ("Claude Code",)),
    ],
)
def test_wrong_usage(machine: Machine, name: str, words: tuple[str, ...]) -> None:
    done = machine.run(*words)
    check_refused(machine, f"usage-{name}", done)
    assert done.returncode == 2
    assert everything(machine.user_home) == []


def test_without_a_terminal_and_without_yes(machine: Machine) -> None:
    done = machine.run("claude")
    assert done.returncode == 0
    assert machine.calls() == ["install claude"]
    golden.check("install/no-terminal", machine.text(done))


def test_uninstalling_where_nothing_is(machine: Machine) -> None:
    golden.check("install/nothing-to-uninstall", machine.text(machine.run("uninstall")))


def test_uninstalling_what_no_longer_starts(machine: Machine) -> None:
    machine.home.bin.mkdir(parents=True)
    (machine.home.bin / "harness").write_text("#!/bin/sh\nexit 1\n")
    (machine.home.bin / "harness").chmod(0o755)
    done = machine.run("uninstall", "--yes")
    assert done.returncode == 1
    golden.check("install/nothing-that-starts", machine.text(done))


def test_help_names_every_option(machine: Machine) -> None:
    done = machine.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    taken = set(re.findall(r"^        (-.*?)\)", machine.script.read_text(), re.MULTILINE))
    options = {word for line in taken for word in re.findall(r"--[a-z-]+[a-z]", line)}
    assert {"--yes", "--backend", "--with-skills", "--branch"} <= options
    assert [option for option in options - {"--all"} if option not in done.stdout] == []


def test_the_script_says_its_own_address(machine: Machine) -> None:
    readme = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^curl .*\| bash -s -- claude$", readme, re.MULTILINE)
    assert line.split(" |")[0] in machine.script.read_text().replace("#     ", "")
