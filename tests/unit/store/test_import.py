"""`import` of what somebody else made: it runs nothing, and replaces nothing of another model."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.store.errors import AlreadyThere, DiskFull, UnreadableArtifact, UnsafeFile
from localai.store.packing import Packed
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256

MODEL = gguf(5000)
FOLDER = "hf/org/model"
Files = dict[str, bytes]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def tar_with(
    path: Path, content: Files, card: object = None, reference: str = "hf://org/model", **more: Any
) -> Path:
    record = {
        "format": 1, "reference": reference, "folder": FOLDER, "model": FOLDER, "pulled": 1.0,
        "revision": "", "files": [
            {"path": f"{FOLDER}/{name}", "sha256": sha256(one), "size": len(one)}
            for name, one in content.items()
        ],
    } | more  # fmt: skip
    text = card if isinstance(card, str) else yaml.safe_dump(card) if card else ""
    texts = {"model.json": json.dumps(record), "card.yaml": text}
    members = {name: text.encode() for name, text in texts.items()}
    members |= {f"files/{FOLDER}/{name}": one for name, one in content.items()}
    with tarfile.open(path, "w") as tar:
        for name, one in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(one)
            tar.addfile(member, io.BytesIO(one))
    return path


@pytest.mark.parametrize("name", ["evil.py", "sub/native.so", "run.SH", "x.pyc"])
def test_programs_come_only_with_trust(store: Store, tmp_path: Path, name: str) -> None:
    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL, name: b"print()"})
    with pytest.raises(UnsafeFile, match=r"programs.*--trust"):
        store.import_(tar)
    assert not store.folder.exists()
    assert (store.import_(tar, trust=True).model.folder / name).exists()


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"trust": True}, "`trust: true`"),
        ({"options": {"trust_remote_code": True}}, "trust_remote_code"),
        ({"options": {"loader": {"trust_remote_code": 1}}}, "trust_remote_code"),
        ({"model": "/etc/shadow"}, "outside the store"),
        ({"model": "file:///etc/shadow"}, "outside the store"),
        ({"model": "{store}/../../secret.gguf"}, "outside the store"),
        ({"options": {"mmproj": "~/.ssh/id_rsa"}}, "outside the store"),
        ({"options": {"lora": ["a", "../../x"]}}, "outside the store"),
        ({"files": [{"path": "../x", "uri": "hf://a/b"}]}, "outside the store"),
    ],
)
def test_a_card_that_runs_code_or_reaches_out_comes_only_with_trust(
    store: Store, tmp_path: Path, card: dict[str, Any], reason: str
) -> None:
    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}, {"name": "m", "backend": "echo"} | card)
    with pytest.raises(UnsafeFile, match=reason):
        store.import_(tar)
    assert not store.folder.exists()
    store.import_(tar, trust=True)


def test_a_plain_card_comes(store: Store, tmp_path: Path) -> None:
    card = {
        "name": "m", "backend": "llama_cpp", "model": "{store}/hf/org/model/m.gguf",
        "options": {"mmproj": "hf://o/m/mm.gguf", "template": "/a\n..", "trust_remote_code": False},
        "defaults": {"stop": ["/end", "~"]},
    }  # fmt: skip
    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}, card)
    assert yaml.safe_load(store.import_(tar).card) == card


@pytest.mark.parametrize(
    "more",
    [
        {"folder": "records"}, {"folder": "hf"}, {"folder": "../x"}, {"model": "url/other"},
        {"files": [{"path": f"{FOLDER}/a", "sha256": "short", "size": 1}]},
        {"files": [{"path": f"{FOLDER}/a", "sha256": "0" * 64, "size": 1, "kind": "evil"}]},
        {"files": [1]}, {"format": 2}, {"pulled": None},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_is_refused(
    store: Store, tmp_path: Path, more: dict[str, Any]
) -> None:
    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}, **more)
    with pytest.raises(Exception, match=r"refused|is not a model that"):
        store.import_(tar)
    assert not store.folder.exists()


def test_a_blob_of_another_machines_cache_is_not_believed(store: Store, tmp_path: Path) -> None:
    own = tmp_path / "blobs/own"
    own.parent.mkdir()
    own.write_bytes(MODEL)
    file = {"path": f"{FOLDER}/m.gguf", "sha256": sha256(MODEL), "size": len(MODEL)}
    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}, files=[file | {"cached": str(own)}])
    assert store.import_(tar).model.files[0].cached is None


def test_a_file_that_another_model_needs_is_never_replaced(store: Store, tmp_path: Path) -> None:
    store.import_(tar_with(tmp_path / "a.tar", {"m.gguf": MODEL, "same.gguf": MODEL}))
    other = {"m.gguf": gguf(5000, 1), "same.gguf": MODEL}
    tar = tar_with(tmp_path / "b.tar", other, reference="hf://org/model:Q8_0")
    for force in (False, True):
        with pytest.raises(AlreadyThere, match="localai rm hf://org/model"):
            store.import_(tar, force=force)
    assert (store.folder / FOLDER / "m.gguf").read_bytes() == MODEL
    store.import_(tar_with(tmp_path / "c.tar", {"same.gguf": MODEL}, reference="hf://org/model:X"))


def test_other_content_replaces_a_model_only_when_forced(store: Store, tmp_path: Path) -> None:
    first = tar_with(tmp_path / "a.tar", {"m.gguf": MODEL, "old.gguf": MODEL})
    store.import_(first)
    store.import_(first)
    newer = gguf(5000, 1)
    tar = tar_with(tmp_path / "b.tar", {"m.gguf": newer})
    with pytest.raises(AlreadyThere, match="--force"):
        store.import_(tar)
    assert (store.folder / FOLDER / "m.gguf").read_bytes() == MODEL

    store.import_(tar, force=True)
    assert {path.name: path.read_bytes() for path in (store.folder / FOLDER).iterdir()} == {
        "m.gguf": newer
    }


def test_a_refusal_comes_before_the_first_byte(store: Store, tmp_path: Path) -> None:
    def refuse(packed: Packed) -> None:
        assert packed.model.reference == "hf://org/model"
        raise AlreadyThere("the name is taken")

    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL})
    with pytest.raises(AlreadyThere, match="taken"):
        store.import_(tar, accept=refuse)
    assert not store.folder.exists()


REPEATED = "a0: &a0 [x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 7)
)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (REPEATED, "anchors"),
        ("model: &a [*a]", "nested too deeply"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("name: [", "not valid YAML"),
    ],
)
def test_a_card_that_would_take_forever_to_read_is_refused(
    store: Store, tmp_path: Path, card: str, reason: str, trust: bool
) -> None:
    tar = tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}, card)
    with pytest.raises(UnreadableArtifact, match=reason):
        store.import_(tar, trust=trust)
    assert not store.folder.exists()


def test_a_card_that_is_none_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnreadableArtifact, match="no card"):
        store.import_(tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}, ["a"]))


def test_a_tar_that_is_cut_off_is_copied_again(store: Store, tmp_path: Path) -> None:
    whole = tar_with(tmp_path / "m.tar", {"a.gguf": MODEL, "b.gguf": MODEL}).read_bytes()
    ends = [
        whole.index(b"files/") - 100,  # before the first file
        whole.index(MODEL) + 2000,  # within it
        whole.index(b"b.gguf", whole.index(MODEL)),  # within the next one's header
    ]
    for end in ends:
        (tmp_path / "cut.tar").write_bytes(whole[:end])
        with pytest.raises(UnreadableArtifact, match=r"cut\.tar is cut off.*opy it again"):
            store.import_(tmp_path / "cut.tar")
        assert store.list() == []


def test_a_file_of_another_kind_is_not_called_cut_off(store: Store, tmp_path: Path) -> None:
    (tmp_path / "m.tar").write_bytes(MODEL)
    with pytest.raises(UnreadableArtifact, match="is not a model that `localai export` wrote"):
        store.import_(tmp_path / "m.tar")


def test_a_full_disk_is_no_matter_of_the_store_s(store: Store, tmp_path: Path) -> None:
    store.import_(tar_with(tmp_path / "m.tar", {"m.gguf": MODEL}))
    (model,) = store.list()
    (tmp_path / ".out.tar.part").symlink_to("/dev/full")  # where it is written first

    with pytest.raises(DiskFull, match=r"choose another place for out\.tar"):
        store.export(model, tmp_path / "out.tar")
    assert not (tmp_path / "out.tar").exists()
