"""Makes the virtual environment of an installed version. On the standard library alone.

Built where it stays, since an environment cannot be moved. Our own package lies in its
`package` folder, outside of lib/python3.x: hooks registered by path outlive another Python.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Optional

from harness_tracing.errors import BootstrapError
from harness_tracing.interpreters import output

SELF_CHECK = "import harness_tracing.worker, harness_tracing.cli"
LAUNCH = (
    "import sys; sys.argv[0] = 'harness'; from harness_tracing.cli import main; sys.exit(main())"
)
# Variables of the user's own environments that would lead ours astray.
ASTRAY = frozenset(
    "CONDA_PREFIX PIP_PREFIX PIP_ROOT PIP_TARGET PIP_USER PYTHONHOME PYTHONPATH "
    "UV_PROJECT_ENVIRONMENT UV_PYTHON UV_SYSTEM_PYTHON VIRTUAL_ENV __PYVENV_LAUNCHER__".split()
)
PIP_INSTALL = (
    "install --quiet --no-input --disable-pip-version-check "
    "--retries 2 --timeout 15 --no-deps --require-hashes -r"
).split()
# As pip does: what is compiled at the first use makes that one slow.
UV_INSTALL = "pip install --quiet --compile-bytecode".split()
COMMAND_TIMEOUT_S = 900
LOG_BYTES = 1 << 20
# How pip says, in the midst of much else, that it got through to nobody.
UNREACHED = re.compile(
    r"NewConnectionError|ConnectTimeout|ProxyError|NameResolutionError|name resolution|"
    r"Network is unreachable|getaddrinfo failed|Tunnel connection failed"
)
UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED")


class IndexUnreachableError(BootstrapError):
    """No package index answered: another interpreter will not help."""


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def starts(environment: Path, environ: Mapping[str, str]) -> bool:
    """Whether the environment's interpreter starts and our package can be imported."""
    return output([str(python_of(environment)), "-I", "-c", SELF_CHECK], environ) is not None


_LAUNCHER = """\
#!/bin/sh
python={python}
if ! [ -x "$python" ]; then
    echo "harness: $python is not there any more. To install it anew: run install.sh again," \\
        "or start an agent that has our plugin." >&2
    exit 1
fi
exec "$python" -I -c {launch} "$@"
"""
BOOTSTRAP = """\
# Starts the bootstrap of the installed version; before there is one, that of the installer.
for package in "$1/current/package/harness_tracing" {}; do
    [ ! -f "$package/capture/bootstrap.sh" ] || exec sh "$package/capture/bootstrap.sh" "$@"
done
exit 1
"""


@dataclass(frozen=True)
class Workshop:
    """What building needs: a log, a folder to run in, the lock held meanwhile, variables.

    `environ` may hold index settings and proxies for uv and pip.
    """

    log: Path
    folder: Path
    lock: int
    environ: Mapping[str, str]

    def build(self, target: Path, python: str, source: Path, lock_file: Path) -> None:
        """Make `target` with this interpreter, the locked dependencies and our package.

        Raises BootstrapError; what is there of `target` then is of no use.
        """
        if not self._with_uv(target, python, lock_file):
            self._with_pip(target, python, lock_file)
        ignored = shutil.ignore_patterns("__pycache__")
        package = target / "package"
        shutil.copytree(source, package / "harness_tracing", ignore=ignored)
        for lock in (lock_file, *locks_of_extras(lock_file)):
            shutil.copyfile(lock, package / lock.name)
        own_python = str(python_of(target))
        question = "import sysconfig; print(sysconfig.get_path('purelib'))"
        modules = output([own_python, "-I", "-c", question], self._environ())
        if not modules:
            raise BootstrapError(f"the new environment's {own_python} does not start")
        relative = os.path.relpath(package, modules)
        Path(modules, "harness_tracing.pth").write_text(relative + "\n", encoding="ascii")
        write_launcher(python_of(target).parent, target)
        self._run([own_python, "-I", "-m", "compileall", "-q", str(package)])
        self._run([own_python, "-I", "-c", SELF_CHECK])

    def add(self, target: Path, python: str, lock_file: Path) -> None:
        """Install what a lock of an extra names into an environment that is there.

        `python` is the interpreter it was made with. Raises BootstrapError.
        """
        own, uv = str(python_of(target)), shutil.which("uv", path=self.environ.get("PATH"))
        pinned = ["--no-deps", "--require-hashes", "-r", str(lock_file)]
        ways = [
            [python, "-I", "-m", "pip", "--python", own, *PIP_INSTALL, str(lock_file)],
            [own, "-I", "-m", "pip", *PIP_INSTALL, str(lock_file)],
        ]
        if uv is not None:
            ways.insert(0, [uv, *UV_INSTALL, "--python", own, *pinned])
        problem: Optional[BootstrapError] = None
        for words in ways:
            try:
                self._run(words)
                return
            except BootstrapError as error:
                if isinstance(error, IndexUnreachableError) and words[0] != uv:
                    raise
                # The last way often has no pip at all: what the one before said is better.
                problem = problem if words is ways[-1] and problem else error
        assert problem is not None
        raise problem

    def _with_uv(self, target: Path, python: str, lock_file: Path) -> bool:
        uv = shutil.which("uv", path=self.environ.get("PATH"))
        if uv is None:
            return False
        install = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(python_of(target)),
        ]
        try:
            self._run([uv, "venv", "--quiet", "--no-project", "--python", python, str(target)])
            self._run([*install, "--no-deps", "--require-hashes", "-r", str(lock_file)])
        except BootstrapError:  # uv knows nothing of pip's settings, so pip may succeed
            shutil.rmtree(target, ignore_errors=True)
            return False
        return True

    def _with_pip(self, target: Path, python: str, lock_file: Path) -> None:
        own = str(python_of(target))
        install = [*PIP_INSTALL, str(lock_file)]
        try:
            self._run([python, "-I", "-m", "venv", "--without-pip", str(target)])
            self._run([python, "-I", "-m", "pip", "--python", own, *install])
        except IndexUnreachableError:
            raise
        except BootstrapError:  # the interpreter has no pip, or one too old for --python
            try:
                self._run([python, "-I", "-m", "venv", "--clear", str(target)])
            except BootstrapError as error:
                if output([python, "-I", "-c", "import ensurepip, venv"], self._environ()) is None:
                    raise BootstrapError(
                        f"{python} cannot make virtual environments: install its module venv"
                        " (Debian, Ubuntu: apt install python3-venv), or uv, and run this again"
                    ) from error
                raise
            self._run([own, "-I", "-m", "pip", *install])

    def _run(self, words: list[str]) -> None:
        """Run a command with its output in the log; BootstrapError if it fails.

        It holds our lock as well: should we be killed, nobody builds beside it.
        """
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.unlink()
        with self.log.open("a", encoding="utf-8", errors="surrogateescape") as log:
            log.write("$ " + shlex.join(words) + "\n")
            log.flush()
            began = self.log.stat().st_size
            try:
                failed = subprocess.run(
                    words,
                    env=self._environ(),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=COMMAND_TIMEOUT_S,
                    pass_fds=() if os.name == "nt" else (self.lock,),
                    check=False,
                ).returncode
            except (OSError, subprocess.TimeoutExpired) as error:
                raise BootstrapError(f"{words[0]}: {error} (see {self.log})") from error
        if failed:
            said = self.log.read_bytes()[began:].decode("utf-8", "replace")
            _raise_for(said, shlex.join(words), self.log)

    def _environ(self) -> dict[str, str]:
        return {name: value for name, value in self.environ.items() if name not in ASTRAY}


def write_launcher(folder: Path, environment: Path) -> None:
    """Put a `harness` into `folder` that runs with the environment's interpreter."""
    python = str(python_of(environment))
    folder.mkdir(exist_ok=True)
    if sys.platform == "win32":
        line = f'@"{python}" -I -c "{LAUNCH}" %*\r\n'
        write_whole(folder / "harness.cmd", line)
    script = _LAUNCHER.format(python=shlex.quote(python), launch=shlex.quote(LAUNCH))
    write_whole(folder / "harness", script, mode=0o755)


def write_capture(folder: Path, package: Path) -> None:
    """Put capture where every version finds it: what agents have registered names that place.

    `package` is the folder `harness_tracing` to copy from; unless there is an installed version,
    it is also what the first event installs.
    """
    # One by one: the mode would hold for the last of them only.
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("capture.sh", "capture.py", "wait.sh"):
        text = (package / "capture" / name).read_text(encoding="utf-8")
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text:
            write_whole(folder / name, text)
    write_whole(folder / "bootstrap.sh", BOOTSTRAP.format(shlex.quote(str(package))))


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file that is there whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(text.encode("utf-8", "surrogateescape"))
    draft.chmod(mode)
    draft.replace(path)


def locks_of_extras(lock_file: Path) -> Iterator[Path]:
    """The locks of extras that lie beside the lock of what everybody needs."""
    for path in sorted(lock_file.parent.glob("requirements-*.lock")):
        if path.name != "requirements-dev.lock":
            yield path


def _raise_for(said: str, command: str, log: Path) -> NoReturn:
    """Say why a command failed, in a line: the cause that pip knows of, else its last error."""
    if UNTRUSTED.search(said):
        raise IndexUnreachableError(
            "the package index's certificate is not trusted: where a proxy opens TLS, name its"
            f" authority with PIP_CERT=/path/to/authority.pem (see {log})"
        )
    if UNREACHED.search(said):
        raise IndexUnreachableError(
            "the package index could not be reached: is this machine online? Behind a proxy set"
            f" https_proxy, for an index of your own PIP_INDEX_URL (see {log})"
        )
    lines = said.strip().split("\n")
    errors = [line for line in lines if line.lower().startswith("error")]
    raise BootstrapError(f"{(errors or lines)[-1].strip() or command} (see {log})")
