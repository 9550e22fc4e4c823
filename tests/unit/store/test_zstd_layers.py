"""Layers packed with zstd, as podman, skopeo and ModelPack's tools push them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localai.store.errors import UnreadableArtifact, UnsafeFile
from localai.store.store import Store
from localai.store.unpack import unpack
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import FileServer
from tests.unit.store.registry_server import (
    OCI_MANIFEST,
    Blob,
    Pusher,
    manifest_of,
    tar_of,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MODEL = gguf(300_000, 1)
CNCF = "application/vnd.cncf.model."
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
IMAGE_CONFIG = Blob("application/vnd.oci.image.config.v1+json", b"{}")


def archive(folder: Path, content: bytes) -> Path:
    path = folder / "layer.tar"
    path.write_bytes(content)
    return path


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_modelpacks_layers_come_packed_too(real: Pusher, store: Store) -> None:
    config = Blob(f"{CNCF}config.v1+json", b"{}")
    layers = [
        Blob(f"{CNCF}weight.v1.tar+zstd", zstd.compress(tar_of({"Pack-Q4.gguf": MODEL}))),
        Blob(f"{CNCF}weight.config.v1.tar+zstd", zstd.compress(tar_of({"tokenizer.json": b"{}"}))),
        Blob(f"{CNCF}code.v1.tar+zstd", zstd.compress(tar_of({"run.py": b"import os"}))),
    ]
    real.push("cncf/packed", "v1", manifest_of(config, layers), [config, *layers])
    model = store.pull(f"oci://{real.host}/cncf/packed:v1")

    assert model.model.name == "Pack-Q4.gguf"
    assert model.model.read_bytes() == MODEL
    assert sorted(path.name for path in left(model.folder)) == ["Pack-Q4.gguf", "tokenizer.json"]
    assert sha256(MODEL) in {file.sha256 for file in model.files}


@pytest.mark.parametrize(
    "kind", [f"{OCI_LAYER}+zstd", "application/vnd.docker.image.rootfs.diff.tar.zstd"]
)
def test_an_image_may_mix_how_its_layers_are_packed(real: Pusher, store: Store, kind: str) -> None:
    base = Blob(f"{OCI_LAYER}+gzip", tar_of({"models/m.gguf": gguf(9000)}, compressed=True))
    layers = [base, Blob(kind, zstd.compress(tar_of({"models/m.gguf": MODEL, "etc/x": b"x"})))]
    name = f"ramalama/{sha256(kind.encode())[:8]}"
    real.push(name, "v1", manifest_of(IMAGE_CONFIG, layers), [IMAGE_CONFIG, *layers])
    model = store.pull(f"oci://{real.host}/{name}:v1")
    assert left(model.folder) == [model.model]
    assert model.model.read_bytes() == MODEL


def image_layout(folder: Path, layer: bytes) -> str:
    """Write an image of one layer as skopeo reads it."""
    content = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]},
    })  # fmt: skip
    config, blob = Blob(IMAGE_CONFIG.media_type, content.encode()), Blob(OCI_LAYER, layer)
    manifest = Blob(OCI_MANIFEST, manifest_of(config, [blob]))
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    for one in (config, blob, manifest):
        (blobs / one.digest.removeprefix("sha256:")).write_bytes(one.content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [manifest.described()]})
    )
    return f"oci:{folder}"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="there is no skopeo on this machine")
@pytest.mark.parametrize("form", ["zstd", "zstd:chunked"])
def test_what_skopeo_packs_is_read(real: Pusher, store: Store, tmp_path: Path, form: str) -> None:
    layer = tar_of({"models/granite.gguf": MODEL, "models/model.file": "granite.gguf"})
    source = image_layout(tmp_path / "layout", layer)
    name = f"{real.host}/skopeo/{form.replace(':', '-')}:v1"
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false",
         "--dest-compress-format", form, source, f"docker://{name}"],
        check=True,
    )  # fmt: skip
    model = store.pull(f"oci://{name}")
    assert model.model.read_bytes() == MODEL
    assert (model.folder / "model.file").samefile(model.model)
    # The registry has it packed: else this would show nothing.
    assert sha256(layer) not in {sha256(path.read_bytes()) for path in left(model.folder)}
    assert f"{OCI_LAYER}+zstd" in subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_an_archive_at_an_address_comes_so_too(server: FileServer, store: Store) -> None:
    url = server.put("/voice.tar.zst", zstd.compress(tar_of({"voice/m.gguf": MODEL})))
    assert store.pull(url).model.read_bytes() == MODEL


@pytest.mark.parametrize(
    "content",
    [
        zstd.compress(tar_of({"a": MODEL}))[:2000],
        zstd.compress(tar_of({"a": MODEL})[:4000]),
        zstd.compress(b"no tar" * 100),
        b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
    ],
)
def test_a_damaged_one_is_unreadable(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableArtifact, match="cannot be unpacked"):
        unpack(archive(tmp_path, content), tmp_path / "m")
    assert left(tmp_path / "m") == []


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    packed = zstd.compress(tar_of({"a": bytes(70 << 20)}))
    with pytest.raises(UnsafeFile, match="far more than its size"):
        unpack(archive(tmp_path, packed), tmp_path / "m")
    assert left(tmp_path / "m") == []


def test_one_that_wants_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    wide = {int(zstd.CompressionParameter.window_log): 31}
    packer = zstd.ZstdCompressor(options=wide)
    packed = packer.compress(tar_of({"a": MODEL})) + packer.flush()
    with pytest.raises(UnreadableArtifact, match="too much memory"):
        unpack(archive(tmp_path, packed), tmp_path / "m")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil"])
def test_no_path_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(Exception, match="would leave its folder"):
        unpack(archive(tmp_path, zstd.compress(tar_of({name: b"x"}))), tmp_path / "m")
    assert left(tmp_path / "m") == []


def test_several_frames_are_one_archive(tmp_path: Path) -> None:
    """As zstd:chunked has them, with frames to skip before, between and after."""
    tar, skipped = tar_of({"a": MODEL, "b": b"b"}), b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    parts = [zstd.compress(tar[at : at + 10_000]) for at in range(0, len(tar), 10_000)]
    packed = skipped + skipped.join(parts) + skipped
    assert unpack(archive(tmp_path, packed), tmp_path / "m").files == ["a", "b"]
    assert (tmp_path / "m/a").read_bytes() == MODEL
