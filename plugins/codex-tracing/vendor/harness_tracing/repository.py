"""What a folder's git repository says of itself, read from its files: no process, no hook.

Running git in a folder that was cloned from anywhere may run what its configuration names
(core.fsmonitor); reading the few files that hold branch, commit and remote cannot.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit, urlunsplit

from harness_tracing.model import Repository

_REMOTE = re.compile(r'^\s*\[remote "([^"]+)"\]\s*$')
_URL = re.compile(r"^\s*url\s*=\s*(\S+)")
_COMMIT = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?$")
_SCP = re.compile(r"^[^/:@]+@([^/:]+):(?!//)(.+)$")
_FILE_CAP = 1 << 20


def read_repository(cwd: Optional[str]) -> Repository:
    """Remote url, branch and commit of the repository around a folder; None what it has not."""
    if not cwd:
        return Repository()
    with suppress(OSError, ValueError):
        folder = _git_folder(Path(cwd))
        if folder is not None:
            return _read(folder)
    return Repository()


def _git_folder(cwd: Path) -> Optional[Path]:
    for folder in (cwd, *cwd.parents):
        git = folder / ".git"
        if git.is_dir():
            return git
        if git.is_file():
            text = _text(git)
            if text.startswith("gitdir:"):
                return (folder / text[7:].strip()).resolve()
    return None


def _text(path: Path) -> str:
    if path.stat().st_size > _FILE_CAP:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _read(folder: Path) -> Repository:
    common = folder
    with suppress(OSError):
        common = (folder / _text(folder / "commondir").strip()).resolve()
    head = _text(folder / "HEAD").strip()
    if not head.startswith("ref:"):
        return Repository(url=_remote(common), commit=head if _COMMIT.match(head) else None)
    reference = head[4:].strip()
    branch = reference[len("refs/heads/") :] if reference.startswith("refs/heads/") else reference
    return Repository(_remote(common), branch, _commit(folder, common, reference))


def _commit(folder: Path, common: Path, reference: str) -> Optional[str]:
    for base in (folder, common):
        with suppress(OSError):
            commit = _text(base / reference).strip()
            if _COMMIT.match(commit):
                return commit
    with suppress(OSError):
        for line in _text(common / "packed-refs").split("\n"):
            commit, _, name = line.partition(" ")
            if name == reference and _COMMIT.match(commit):
                return commit
    return None


def _remote(common: Path) -> Optional[str]:
    """The url of `origin`, else of the first remote."""
    remotes: dict[str, str] = {}
    name = None
    with suppress(OSError):
        for line in _text(common / "config").split("\n"):
            header = _REMOTE.match(line)
            url = _URL.match(line)
            if line.lstrip().startswith("["):
                name = header.group(1) if header else None
            elif url and name is not None:
                remotes.setdefault(name, url.group(1))
    found = remotes.get("origin") or next(iter(remotes.values()), None)
    return None if found is None else public_url(found)


def public_url(url: str) -> Optional[str]:
    """A remote's url without what may be secret in it: userinfo, query, fragment."""
    scp = _SCP.match(url)
    if scp:
        return f"{scp.group(1)}:{scp.group(2).split('?')[0]}"
    parts = urlsplit(url)
    if not parts.scheme:
        return url.split("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
