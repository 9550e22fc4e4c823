"""Cards whose files came by `files`: commands know them by their names, with all that came."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from localai.store.store import Store
from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import FileServer, serve_files

Run = Callable[..., Ended]
MODEL, EYES = minimal_gguf(), minimal_gguf("clip") + bytes(1000)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as running:
        yield running


@pytest.fixture
def card(models: Path, server: FileServer, localai: Run) -> Path:
    """A card as an import of LocalAI's `download_files` makes it, with its files fetched."""
    files = {"tiny.gguf": MODEL, "eyes.gguf": EYES}
    listed = [{"path": name, "uri": server.put(f"/{name}", one)} for name, one in files.items()]
    content = {"name": "dl", "backend": "llama_cpp", "model": "tiny.gguf", "files": listed}
    path = models / "dl.yaml"
    path.write_text(yaml.safe_dump(content | {"options": {"mmproj": "eyes.gguf"}}), "utf-8")
    ended = localai("pull", "dl")
    assert ended.code == 0, ended.err
    return path


def stored(tmp_path: Path, name: str) -> Path:
    (found,) = (tmp_path / "store").rglob(name)
    return found


def test_list_and_show_know_where_the_model_is(card: Path, tmp_path: Path, localai: Run) -> None:
    rows = {one["name"]: one for one in json.loads(localai("list", "--json").out)}
    assert rows["dl"]["size"] == len(MODEL)
    shown = localai("show", "dl").out
    assert f"  model: {stored(tmp_path, 'tiny.gguf')}\n" in shown
    assert f"  reference: {rows['dl']['reference']}\n" in shown


def test_rm_takes_all_that_came_for_the_card(card: Path, tmp_path: Path, localai: Run) -> None:
    assert f"{(len(MODEL) + len(EYES)) / 1000:.1f} kB became free" in localai("rm", "dl").out
    assert list((tmp_path / "store").rglob("*.gguf")) == []
    assert Store(tmp_path / "store").list() == []


def test_rm_leaves_a_file_that_another_card_names(
    card: Path, models: Path, tmp_path: Path, localai: Run
) -> None:
    assert localai("cp", "dl", "second").code == 0
    localai("rm", "dl")
    assert localai("card", "check", str(models / "second.yaml")).out.endswith("ok (second)\n")
    localai("rm", "second")
    assert list((tmp_path / "store").rglob("*.gguf")) == []


def test_all_files_go_to_another_machine(
    card: Path, tmp_path: Path, localai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = tmp_path / "dl.tar"
    exported = localai("export", "dl", str(tar))
    assert (exported.code, exported.err) == (0, "")
    for name in ("models", "store"):
        (tmp_path / "far" / name).mkdir(parents=True)
        monkeypatch.setenv(f"LOCALAI_{name.upper()}", str(tmp_path / "far" / name))

    assert localai("import", str(tar)).code == 0
    taken = tmp_path / "far/models/dl.yaml"
    assert localai("card", "check", str(taken)).out == f"{taken}: ok (dl)\n"
    content = yaml.safe_load(taken.read_text("utf-8"))
    assert Path(content["model"]).read_bytes() == MODEL
    assert Path(content["options"]["mmproj"]).read_bytes() == EYES
    assert str(tmp_path / "far/store") in content["model"]
    assert localai("pull", "dl").out.startswith(f"Kept {taken}; its files are here already.")


def test_a_model_that_came_in_an_archive_is_known_too(
    models: Path, tmp_path: Path, server: FileServer, localai: Run
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("voices/tiny.gguf", "voices/README.md"):
            member = tarfile.TarInfo(name)
            member.size = len(MODEL)
            tar.addfile(member, io.BytesIO(MODEL))
    uri = server.put("/all.tar.gz", packed.getvalue())
    content: dict[str, object] = {"name": "voice", "backend": "llama_cpp"}
    content["model"] = "voices/tiny.gguf"
    content["files"] = [{"path": "all.tar.gz", "uri": uri}]
    (models / "voice.yaml").write_text(yaml.safe_dump(content), "utf-8")
    ended = localai("pull", "voice")
    assert ended.code == 0, ended.err

    model = stored(tmp_path, "tiny.gguf")
    assert f"  model: {model}\n" in localai("show", "voice").out
    assert localai("export", "voice", str(tmp_path / "voice.tar")).code == 0
    localai("rm", "voice")
    assert not model.exists()
    assert localai("import", str(tmp_path / "voice.tar")).code == 0
    taken = models / "voice.yaml"
    assert localai("card", "check", str(taken)).out == f"{taken}: ok (voice)\n"
    assert yaml.safe_load(taken.read_text("utf-8"))["model"] == str(model)


def test_a_file_of_the_user_s_that_does_not_go_along_is_named(
    card: Path, tmp_path: Path, localai: Run
) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(EYES)
    content = yaml.safe_load(card.read_text("utf-8")) | {"options": {"mmproj": str(own)}}
    card.write_text(yaml.safe_dump(content), "utf-8")

    assert f"note: {own} stays behind" in localai("export", "dl", str(tmp_path / "dl.tar")).err


def test_a_name_like_that_of_a_file_stays_a_name(
    models: Path, tmp_path: Path, server: FileServer, localai: Run
) -> None:
    card = models / "m.yaml"
    listed = [{"path": "m2", "uri": server.put("/m2.gguf", MODEL)}]
    content: dict[str, object] = {"name": "m2", "description": "m2", "model": "m2"}
    content |= {"backend": "llama_cpp", "files": listed, "options": {"chat_template": "m2"}}
    card.write_text(yaml.safe_dump(content), "utf-8")
    assert localai("pull", "m2").code == 0
    assert localai("export", "m2", str(tmp_path / "m.tar")).code == 0
    card.unlink()

    assert localai("import", str(tmp_path / "m.tar")).code == 0
    (taken,) = models.glob("*.yaml")
    place = str(stored(tmp_path, "m2.gguf"))
    there = yaml.safe_load(taken.read_text("utf-8"))
    assert there == content | {"model": place, "files": [listed[0] | {"path": place}]}
