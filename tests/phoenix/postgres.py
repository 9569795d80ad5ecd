"""A PostgreSQL cluster for one test, as an unprivileged user: the server refuses to be root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from tests.phoenix.server import free_port

MISSING = "PostgreSQL's server is not here: install it (apt-get install postgresql)"
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = "nobody"
_OWN = ("PATH", "LANG")


def programs() -> Optional[Path]:
    """The folder with `initdb` and `postgres`; None when there is none."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(_DEBIAN.glob("*/bin"), key=lambda path: path.parent.name)
    whole = [path for path in found if (path / "initdb").exists() and (path / "postgres").exists()]
    return whole[-1] if whole else None


@contextmanager
def cluster(folder_of_programs: Path) -> Iterator[str]:
    """A running server with an empty database; its URL."""
    # Not below pytest's own folder, into which only its user may look.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(folder, user.pw_uid, user.pw_gid)
        with open(folder / "initdb.log", "wb") as log:
            subprocess.run(
                [
                    *_as_nobody(),
                    str(folder_of_programs / "initdb"),
                    *("--pgdata", str(folder / "data"), "--username", "phoenix"),
                    *("--auth", "trust", "--encoding", "UTF8", "--no-sync"),
                ],
                cwd=folder,
                env=_environ(),
                stdout=log,
                stderr=log,
                check=True,
                timeout=120,
            )
        port = free_port()
        process = _start(folder_of_programs, folder, port)
        try:
            _wait(folder_of_programs, folder, port)
            yield f"postgresql://phoenix@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _start(folder_of_programs: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    with open(folder / "postgres.log", "wb") as log:
        return subprocess.Popen(
            [
                *_as_nobody(),
                str(folder_of_programs / "postgres"),
                *("-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1"),
                *("-c", "unix_socket_directories=", "-c", "fsync=off"),
            ],
            cwd=folder,
            env=_environ(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(folder_of_programs: Path, folder: Path, port: int) -> None:
    asks = [str(folder_of_programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    until = time.monotonic() + 60
    while subprocess.run(asks, env=_environ(), check=False).returncode:
        log = (folder / "postgres.log").read_text(errors="replace")
        assert time.monotonic() < until, f"PostgreSQL did not start\n{log}"
        time.sleep(0.1)


def _as_nobody() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_UNPRIVILEGED)
    ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    return ["setpriv", *ids, "--"]


def _environ() -> dict[str, str]:
    return {name: os.environ[name] for name in _OWN if name in os.environ}
