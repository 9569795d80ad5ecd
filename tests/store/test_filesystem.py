"""Telling network file systems from local ones by the mount table."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from harness_tracing.store.filesystem import (
    is_network,
    network_type,
    parse_linux_mounts,
    parse_macos_mounts,
    type_of,
)

LINUX = r"""
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/me/local\040disk ext4 rw 0 0
C:\134 /mnt/c 9p rw,dirsync 0 0
me@host:/ /home/me/far fuse.sshfs rw 0 0
"""
MACOS = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@nas._smb._tcp.local/home on /Volumes/home (smbfs, nodev, nosuid, mounted by me)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
server:/export (old) on /Users/me/far (nfs, asynchronous)
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/x", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/.arize/harness/store.sqlite3", "nfs4"),
        ("/home/me/local disk/store.sqlite3", "ext4"),
        ("/homestead/x", "ext4"),
        ("/mnt/c/Users", "9p"),
        ("/home/me/far/x", "fuse.sshfs"),
    ],
)
def test_the_deepest_mount_on_linux_tells_the_type(path: str, expected: str) -> None:
    assert type_of(Path(path), parse_linux_mounts(LINUX)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/Users/me/x", "apfs"), ("/Volumes/home/x", "smbfs"), ("/Users/me/far/x", "nfs")],
)
def test_the_deepest_mount_on_macos_tells_the_type(path: str, expected: str) -> None:
    assert type_of(Path(path), parse_macos_mounts(MACOS)) == expected


def test_a_mount_over_another_hides_it() -> None:
    assert type_of(Path("/data/x"), [("/", "ext4"), ("/data", "nfs"), ("/data", "xfs")]) == "xfs"


def test_without_a_mount_table_nothing_is_said() -> None:
    assert type_of(Path("/x"), []) is None


@pytest.mark.parametrize("name", ["nfs", "nfs4", "cifs", "9p", "virtiofs", "smbfs", "fuse.sshfs"])
def test_file_systems_that_machines_share_are_network_ones(name: str) -> None:
    assert is_network(name)


@pytest.mark.parametrize("name", ["ext4", "apfs", "tmpfs", "overlay", "fuseblk", "btrfs", "zfs"])
def test_file_systems_of_one_machine_are_local_ones(name: str) -> None:
    assert not is_network(name)


def test_the_folder_of_this_test_is_local(tmp_path: Path) -> None:
    found: Optional[str] = network_type(tmp_path / "not" / "there" / "yet")
    assert found is None
