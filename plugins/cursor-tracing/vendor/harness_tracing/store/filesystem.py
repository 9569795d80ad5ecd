"""Whether a path lies on a file system that several machines share.

SQLite's write-ahead log needs memory shared between all processes that have the file open;
a network file system does not give that (sqlite.org/wal.html, "all processes using a
database must be on the same host computer").
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Optional

_NETWORK_TYPES = frozenset(
    "9p afpfs afs beegfs ceph cifs coda davfs fakeowner gfs2 gpfs grpcfuse lustre ncpfs nfs nfs4 "
    "ocfs2 orangefs prl_fs smb2 smb3 smbfs vboxsf virtiofs webdav".split()
)
_LOCAL_FUSE_TYPES = frozenset("fuse fuseblk fuse.ntfs-3g fuse.fuse-overlayfs".split())
_OCTAL = re.compile(r"\\([0-7]{3})")
_MACOS_MOUNT = re.compile(r"^.+? on (?P<point>/.*) \((?P<type>[^,)]+)")
_WINDOWS_REMOTE_DRIVE = 4


def network_type(path: Path) -> Optional[str]:
    """The type of the network file system `path` lies on, None where it is local or not known."""
    if sys.platform == "win32":
        return _windows_network_type(path)
    mounts = _linux_mounts() if sys.platform.startswith("linux") else _macos_mounts()
    found = type_of(Path(os.path.realpath(path)), mounts)
    return found if found is not None and is_network(found) else None


def is_network(filesystem_type: str) -> bool:
    """Whether a type as the mount table names it means that other machines may share the files."""
    if filesystem_type.startswith("fuse"):
        return filesystem_type not in _LOCAL_FUSE_TYPES
    return filesystem_type in _NETWORK_TYPES


def type_of(path: Path, mounts: list[tuple[str, str]]) -> Optional[str]:
    """The type of the mount `path` lies on; `mounts` are (mount point, type), later ones on top."""
    best: Optional[tuple[int, str]] = None
    for point, filesystem_type in mounts:
        holds = path == Path(point) or Path(point) in path.parents
        if holds and (best is None or len(point) >= best[0]):
            best = (len(point), filesystem_type)
    return best[1] if best else None


def parse_linux_mounts(text: str) -> list[tuple[str, str]]:
    """(mount point, type) of each line of /proc/self/mounts, escapes undone."""
    mounts = []
    for line in text.split("\n"):
        words = line.split(" ")
        if len(words) >= 3:
            mounts.append((_OCTAL.sub(lambda m: chr(int(m.group(1), 8)), words[1]), words[2]))
    return mounts


def parse_macos_mounts(text: str) -> list[tuple[str, str]]:
    """(mount point, type) of each line that macOS's `mount` prints."""
    found = (_MACOS_MOUNT.match(line) for line in text.split("\n"))
    return [(m.group("point"), m.group("type")) for m in found if m]


def _linux_mounts() -> list[tuple[str, str]]:
    try:
        text = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return parse_linux_mounts(text)


def _macos_mounts() -> list[tuple[str, str]]:
    import subprocess

    try:
        done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=2)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_macos_mounts(done.stdout)


if sys.platform == "win32":
    import ctypes

    def _windows_network_type(path: Path) -> Optional[str]:
        drive = path.absolute().drive
        if drive.startswith("\\\\"):
            return "network share"
        remote = ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == _WINDOWS_REMOTE_DRIVE
        return "network drive" if remote else None
