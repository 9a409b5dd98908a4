"""Archives are extracted without trust: nothing lands elsewhere, and what is no whole archive is told."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from sources import write_city

from mfaranet.datasets.archives import extract
from mfaranet.errors import InputError


def tar_with(path: Path, *members: tuple[str, bytes, str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            archive.addfile(member, io.BytesIO())
    return path


@pytest.mark.parametrize("name", ["../escaped.png", "/tmp/escaped.png", "a/../../escaped.png", "C:\\escaped.png"])
def test_no_archive_writes_elsewhere(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(name, b"")
    for bad in (tmp_path / "bad.zip", tar_with(tmp_path / "bad.tar", (name, tarfile.REGTYPE, ""))):
        with pytest.raises(InputError, match="points outside"):
            extract(bad, tmp_path / "folder", (".png",))
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    bad = tar_with(tmp_path / "bad.tar", ("a.png", kind, "/etc/passwd"))
    with pytest.raises(InputError, match=r"member a\.png is a link or device"):
        extract(bad, tmp_path / "folder", (".png",))
    link = zipfile.ZipInfo("a.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"member a\.png is a link or device"):
        extract(tmp_path / "bad.zip", tmp_path / "folder", (".png",))


def test_a_file_larger_than_any_is_refused_before_it_is_written(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a.png")
    member.size = 8 << 40
    (tmp_path / "bomb.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match=r"bomb\.tar: member a\.png says that it has 8796093022208 bytes"):
        extract(tmp_path / "bomb.tar", tmp_path / "folder", (".png",))


@pytest.mark.parametrize("name", ["n" * 300 + ".png", "a.png/b.png"])
def test_a_name_that_no_disk_takes_is_told(tmp_path: Path, name: str) -> None:
    bad = tar_with(tmp_path / "bad.tar", ("a.png", tarfile.REGTYPE, ""), (name, tarfile.REGTYPE, ""))
    with pytest.raises(InputError, match=r"bad\.tar: member .* cannot be written \("):
        extract(bad, tmp_path / "folder", (".png",))


def test_a_cut_archive_is_corrupt(tmp_path: Path) -> None:
    town = write_city(tmp_path / "town")
    for form in ("tar", "gztar", "xztar"):
        archive = Path(shutil.make_archive(str(tmp_path / "all"), form, town))
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2 - 100])
        with pytest.raises(InputError, match="corrupt"):
            extract(archive, tmp_path / "folder", (".png",))
