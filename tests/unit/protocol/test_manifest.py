from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import ConfigError
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import MANIFEST, read_manifest, read_manifests
from localai.settings import builtin_backends_folder

TEXT = """
name: parrot
description: Repeats.
capabilities: [chat]
entry: worker:Parrot
requirements: {cpu: ['parrot-engine>=1']}
options:
  volume: {type: integer, description: How loud., default: 3, minimum: 0}
  language: {type: string, description: Which words.}
"""


def write_backend(folder: Path, text: str = TEXT) -> Path:
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(text, "utf-8")
    return folder


def test_a_manifest_says_what_a_backend_can_do(tmp_path: Path) -> None:
    manifest = read_manifest(write_backend(tmp_path / "parrot"))
    assert manifest.name == "parrot"
    assert manifest.capabilities == [Capability.CHAT]
    assert manifest.entry == "worker:Parrot"
    assert manifest.requirements == {"cpu": ["parrot-engine>=1"]}


def test_what_a_manifest_leaves_out_has_defaults(tmp_path: Path) -> None:
    manifest = read_manifest(write_backend(tmp_path / "parrot"))
    assert manifest.needs_model is True
    assert manifest.load_timeout == 600
    assert manifest.option_defaults() == {"volume": 3, "language": None}


def test_a_missing_manifest_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"backend\.yaml: cannot be read: No such file") as caught:
        read_manifest(tmp_path)
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: parrot", "", "name"),
        ("capabilities: [chat]", "capabilities: [singing]", "capabilities"),
        ("type: integer", "type: int", "volume"),
        ("entry: worker:Parrot", "entry: worker:Parrot\ncolour: green", "colour"),
        ("name: parrot", "name: [", "while parsing"),
    ],
)
def test_a_wrong_manifest_names_file_and_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    folder = write_backend(tmp_path / "parrot", TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_manifest(folder)
    assert str(folder / MANIFEST) in caught.value.message


def test_manifests_are_found_by_name_and_later_folders_win(tmp_path: Path) -> None:
    first = write_backend(tmp_path / "a" / "parrot")
    other = write_backend(tmp_path / "a" / "other", TEXT.replace("parrot", "macaw"))
    second = write_backend(tmp_path / "b" / "parrot")
    found = read_manifests(first.parent, second.parent)
    assert {name: folder for name, (folder, _) in found.items()} == {
        "parrot": second,
        "macaw": other,
    }


def test_a_folder_that_does_not_exist_holds_no_backends(tmp_path: Path) -> None:
    assert read_manifests(tmp_path / "none") == {}


def test_the_builtin_backends_are_readable_and_named_after_their_folders() -> None:
    found = read_manifests(builtin_backends_folder())
    assert {"echo", "llama_cpp"} <= set(found)
    assert all(folder.name == name for name, (folder, _) in found.items())
