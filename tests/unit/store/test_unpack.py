from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from localai.references import check_relative_path
from localai.store.download import Patience
from localai.store.errors import DiskFull, UnreadableArtifact, UnsafeFile
from localai.store.flights import Downloader
from localai.store.store import Store
from localai.store.unpack import unpack
from tests.unit.store.content import gguf
from tests.unit.store.file_server import FileServer
from tests.unit.store.registry_server import Blob, TokenRegistry, manifest_of, tar_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MODEL = gguf(5000)
IMAGE_CONFIG = Blob("application/vnd.oci.image.config.v1+json", b"{}")
IMAGE_LAYER = "application/vnd.oci.image.layer.v1.tar"

Member = tuple[str, bytes, bytes | str]
"""Name, type, and the content or the target."""


def tar_with(members: Sequence[Member]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(content, str):
                member.linkname = content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def archive(folder: Path, content: bytes) -> Path:
    path = folder / "voice.tar"
    path.write_bytes(content)
    return path


def file(name: str, content: bytes = b"x") -> Member:
    return name, tarfile.REGTYPE, content


def symlink(name: str, target: str) -> Member:
    return name, tarfile.SYMTYPE, target


def files_below(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_links_too_long_for_the_system_do_not_lead_out(tmp_path: Path) -> None:
    """A chain of links whose real path is longer than PATH_MAX (CVE-2025-4517)."""
    (tmp_path / "outside").mkdir()
    long, members, before = "d" * 247, list[Member](), ""
    for step in "abcdefghijklmnop":
        members += [file(f"{before}{long}/x"), symlink(f"{before}{step}", long)]
        before += f"{step}/"
    up = f"{before}{'l' * 254}"
    members += [symlink(up, "../" * 16), symlink("escape", f"{up}/../../outside")]
    members += [file("escape/owned", b"written outside")]

    with pytest.raises((UnsafeFile, UnreadableArtifact)):
        unpack(archive(tmp_path, tar_with(members)), tmp_path / "m")
    assert not list((tmp_path / "outside").iterdir())
    assert files_below(tmp_path / "m") == {}


@pytest.mark.parametrize(
    "members",
    [
        [symlink("out", "/etc"), file("out/evil")],
        [symlink("out", "../.."), file("out/evil")],
        [symlink("a", "b"), symlink("b", "a")],
        [symlink("gone", "nothing")],
        [symlink("up", "x/../../y"), file("x"), file("y")],
        [file("folder/x"), symlink("link", "folder")],
        [("hard", tarfile.LNKTYPE, "../secret")],
        [("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [("device", tarfile.CHRTYPE, "")],
        [("fifo", tarfile.FIFOTYPE, "")],
        [file("weights.txt", b"\x80pickle"), symlink("weights.pt", "weights.txt")],
    ],
)
def test_what_leads_out_or_hides_a_pickle_is_refused(tmp_path: Path, members: list[Member]) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(UnsafeFile):
        unpack(archive(tmp_path, tar_with(members)), tmp_path / "m")
    assert files_below(tmp_path / "m") == {}


@pytest.mark.parametrize(
    "members",
    [[file("a"), file("a/b")], [file("a/b"), file("a")], [file("a"), symlink("a/b", "../a")]],
)
def test_a_name_that_is_a_file_and_a_folder_cannot_be_unpacked(
    tmp_path: Path, members: list[Member]
) -> None:
    with pytest.raises(UnreadableArtifact, match="cannot be unpacked"):
        unpack(archive(tmp_path, tar_with(members)), tmp_path / "m")
    assert files_below(tmp_path / "m") == {}


def test_links_inside_become_the_file_under_a_second_name(tmp_path: Path) -> None:
    members: list[Member] = [
        symlink("names/model.gguf", "../blobs/abc"),
        symlink("chain.gguf", "names/model.gguf"),
        file("blobs/abc", MODEL),
        ("hard.gguf", tarfile.LNKTYPE, "blobs/abc"),
    ]
    came = unpack(archive(tmp_path, tar_with(members)), tmp_path / "m")
    assert came.files == ["blobs/abc", "chain.gguf", "hard.gguf", "names/model.gguf"]
    assert set(files_below(tmp_path / "m").values()) == {MODEL}
    assert not [path for path in (tmp_path / "m").rglob("*") if path.is_symlink()]
    assert (tmp_path / "m/chain.gguf").stat().st_nlink == 4


def test_of_two_members_with_one_name_the_later_counts(tmp_path: Path) -> None:
    members = [file("a", b"1"), symlink("a", "b"), file("b", b"2"), file("a", b"3")]
    unpack(archive(tmp_path, tar_with(members)), tmp_path / "m")
    assert files_below(tmp_path / "m") == {"a": b"3", "b": b"2"}


def test_nothing_is_unpacked_through_a_link_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "m").mkdir()
    (tmp_path / "m/sub").symlink_to(tmp_path / "outside")
    with pytest.raises(UnsafeFile, match="is a link"):
        unpack(archive(tmp_path, tar_with([file("sub/x")])), tmp_path / "m")
    assert not list((tmp_path / "outside").iterdir())


def test_a_pickle_disguised_as_ctranslate2_is_seen(tmp_path: Path) -> None:
    members = [file("config.json"), file("vocabulary.txt"), file("model.bin", b"PK\x03\x04evil")]
    tar = archive(tmp_path, tar_with(members))
    with pytest.raises(UnsafeFile, match="pickle"):
        unpack(tar, tmp_path / "m")
    assert "model.bin" in unpack(tar, tmp_path / "m", trust=True).files


def test_a_cut_or_foreign_archive_is_unreadable(tmp_path: Path) -> None:
    whole = tar_of({"a": MODEL}, compressed=True)
    for content in (whole[:3000], b"no tar", tar_of({"a": MODEL})[:4000]):
        with pytest.raises(UnreadableArtifact, match="cannot be unpacked"):
            unpack(archive(tmp_path, content), tmp_path / "m")


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_any_size_is_not_read(tmp_path: Path, kind: bytes) -> None:
    """It would be read whole into memory, however little of the archive it takes."""
    packed = gzip.compress(header(kind, 64 << 20) + bytes(64 << 20))
    with pytest.raises(UnreadableArtifact, match="header of 64 MiB"):
        unpack(archive(tmp_path, packed), tmp_path / "m")


def test_headers_of_headers_without_end_are_unreadable(tmp_path: Path) -> None:
    chain = (header(tarfile.XHDTYPE, 12) + b"12 path=abc\n".ljust(512, b"\0")) * 3000
    with pytest.raises(UnreadableArtifact, match="cannot be unpacked"):
        unpack(archive(tmp_path, chain), tmp_path / "m")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_an_archive_is_decoded_once(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """What came out of a pipe does not come a second time."""
    members = [file("a", b"1" * 512), symlink("link", "b"), file("b", MODEL), file("a", b"2")]
    out, into = os.pipe()
    with open(into, "wb") as writing:
        writing.write(pack(tar_with(members)))
    with open(out, "rb"):
        unpack(Path(f"/dev/fd/{out}"), tmp_path / "m")
    assert files_below(tmp_path / "m") == {"a": b"2", "b": MODEL, "link": MODEL}


def test_members_of_gzip_one_after_the_other_are_one_archive(tmp_path: Path) -> None:
    """As images are packed of which each file can be fetched alone."""
    tar = tar_of({"a": MODEL, "b": b"b"})
    packed = b"".join(gzip.compress(tar[at : at + 1000]) for at in range(0, len(tar), 1000))
    assert unpack(archive(tmp_path, packed), tmp_path / "m").files == ["a", "b"]


def test_a_file_that_does_not_fit_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("localai.store.unpack.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(DiskFull):
        unpack(archive(tmp_path, tar_with([file("a"), file("b", MODEL)])), tmp_path / "m")
    assert files_below(tmp_path / "m") == {}


def test_a_disk_that_fills_up_midway_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("localai.store.unpack.shutil.copyfileobj", full)
    with pytest.raises(DiskFull):
        unpack(archive(tmp_path, tar_with([file("a")])), tmp_path / "m")
    assert files_below(tmp_path / "m") == {}


def test_another_failure_is_no_refusal_of_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_at_the_target(path: str) -> str:
        if path == "target":
            raise RuntimeError("a fault of our own")
        return check_relative_path(path)

    monkeypatch.setattr("localai.store.unpack.check_relative_path", fails_at_the_target)
    with pytest.raises(RuntimeError, match="of our own"):
        unpack(archive(tmp_path, tar_with([symlink("link", "target")])), tmp_path / "m")


def test_a_disk_without_hard_links_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", cannot)
    unpack(archive(tmp_path, tar_with([file("a"), symlink("b", "a")])), tmp_path / "m")
    assert files_below(tmp_path / "m") == {"a": b"x", "b": b"x"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", downloader=Downloader(patience=Patience(pause=0, attempts=2)))


def image_of(server: FileServer, *layers: bytes) -> str:
    blobs = [Blob(IMAGE_LAYER, one) for one in layers]
    registry = TokenRegistry(server)
    registry.put("a/car", "v1", manifest_of(IMAGE_CONFIG, blobs), [IMAGE_CONFIG, *blobs])
    return f"oci://{server.origin}/a/car:v1"


@pytest.mark.parametrize("target", ["granite.gguf", "/models/granite.gguf", "./granite.gguf"])
@pytest.mark.parametrize("order", ["same", "before", "after"])
def test_the_link_of_an_image_leads_to_its_model_whichever_layer_has_it(
    server: FileServer, store: Store, target: str, order: str
) -> None:
    link: dict[str, bytes | str] = {"models/model.file": target, "models/.wh.old": b""}
    model: dict[str, bytes | str] = {"models/granite.gguf": MODEL}
    layers = {"same": [link | model], "before": [link, model], "after": [model, link]}[order]
    came = store.pull(image_of(server, *map(tar_of, layers)))

    assert files_below(came.folder) == {"granite.gguf": MODEL, "model.file": MODEL}
    assert came.model.samefile(came.folder / "model.file")
    assert store.remove(came.reference).freed == len(MODEL)
    assert not came.folder.exists()


def test_a_file_replaces_a_link_of_an_earlier_layer(server: FileServer, store: Store) -> None:
    layers = [{"models/model.file": "a.gguf"}, {"models/model.file": b"f", "models/a.gguf": MODEL}]
    came = store.pull(image_of(server, *(tar_of(one) for one in layers)))  # type: ignore[arg-type]
    assert files_below(came.folder) == {"a.gguf": MODEL, "model.file": b"f"}


def with_checksum(content: bytes) -> bytes:
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize("size", [300_000, 3_000_000])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, with_checksum])
def test_a_damaged_archive_is_unreadable(
    tmp_path: Path, pack: Callable[[bytes], bytes], size: int
) -> None:
    """In a file that does not compress nothing but the checksum tells it."""
    packed = bytearray(pack(tar_with([file("model.onnx", random.Random(1).randbytes(size))])))
    packed[len(packed) // 3] ^= 1
    with pytest.raises(UnreadableArtifact, match=r"voice\.tar cannot be unpacked: "):
        unpack(archive(tmp_path, bytes(packed)), tmp_path / "m")
    assert files_below(tmp_path / "m") == {}


def test_what_follows_the_last_file_is_not_read_without_end(tmp_path: Path) -> None:
    bomb = gzip.compress(tar_with([file("a")]) + bytes(65 << 20))
    with pytest.raises(UnsafeFile, match="far more than its size suggests"):
        unpack(archive(tmp_path, bomb), tmp_path / "m")
    assert files_below(tmp_path / "m") == {}


def test_what_follows_the_last_file_is_no_matter(tmp_path: Path) -> None:
    padded = gzip.compress(tar_with([file("a")]) + bytes(3 << 20))
    assert unpack(archive(tmp_path, padded), tmp_path / "m").files == ["a"]


def test_a_plain_tar_may_begin_with_a_bracket_and_lzma_too(tmp_path: Path) -> None:
    tar = tar_with([file("]"), file("a")])
    assert unpack(archive(tmp_path, tar), tmp_path / "m").files == ["]", "a"]
    packed = lzma.compress(tar, format=lzma.FORMAT_ALONE)
    assert unpack(archive(tmp_path, packed), tmp_path / "n").files == ["]", "a"]
