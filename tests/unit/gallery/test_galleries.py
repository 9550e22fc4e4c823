from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from localai.errors import CardError, ConfigError, ModelNotFound
from localai.gallery.fetching import Expected, fetch_text
from localai.gallery.galleries import Galleries, galleries_of, read_any
from localai.settings import load_settings
from localai.store.errors import FetchFailed, NotInRegistry, WrongFile
from tests.unit.gallery.samples import BACKENDS, ENTRY, Web

THEIRS = """\
- name: small
  backend: llama-cpp
  overrides: {parameters: {model: small.gguf}}
  files: [{filename: small.gguf, uri: "hf://org/small/small.gguf"}]
- {name: big, backend: vllm, overrides: {parameters: {model: org/big}}}
"""


@pytest.fixture
def galleries(tmp_path: Path) -> Galleries:
    builtin = tmp_path / "builtin.yaml"
    builtin.write_text(ENTRY, "utf-8")
    return Galleries(tmp_path / "mine", builtin, BACKENDS)


def test_the_built_in_gallery_is_always_there(galleries: Galleries) -> None:
    assert [index.name for index in galleries.all()] == ["localai"]
    assert galleries.find("tiny-chat") == galleries.find("localai@tiny-chat")


def test_a_gallery_of_the_web_is_kept_for_when_there_is_none(
    galleries: Galleries, served: tuple[Path, str]
) -> None:
    folder, address = served
    (folder / "theirs.yaml").write_text(THEIRS, "utf-8")
    index = galleries.add(f"{address}/theirs.yaml", fetch_text)
    (folder / "theirs.yaml").unlink()

    assert (index.name, list(index.entries), list(index.unusable)) == ("theirs", ["small"], ["big"])
    assert [one.name for one in galleries.all()] == ["localai", "theirs"]
    assert galleries.find("small") == galleries.find("theirs@small") == index.entries["small"]
    with pytest.raises(ModelNotFound, match="'big' cannot be installed: its backend 'vllm'"):
        galleries.find("big")


def test_a_write_that_fails_leaves_no_rest(
    galleries: Galleries, served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    (folder / "theirs.yaml").write_text(THEIRS, "utf-8")

    def refuse(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="gone"):
        galleries.add(f"{address}/theirs.yaml", fetch_text)
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == []


def test_an_update_that_fails_leaves_the_copy(
    galleries: Galleries, served: tuple[Path, str]
) -> None:
    folder, address = served
    (folder / "theirs.yaml").write_text(THEIRS, "utf-8")
    galleries.add(f"{address}/theirs.yaml", fetch_text, "their-models")
    (folder / "theirs.yaml").write_text("no gallery", "utf-8")
    with pytest.raises(CardError, match="is no gallery"):
        galleries.update("their-models", fetch_text)
    (folder / "theirs.yaml").unlink()
    with pytest.raises(NotInRegistry, match="answered 404"):
        galleries.update("their-models", fetch_text)

    assert galleries.find("small").name == "small"


def test_an_update_takes_what_is_new(galleries: Galleries, tmp_path: Path) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(THEIRS, "utf-8")
    galleries.add(str(path), Web({}))
    path.write_text(THEIRS.replace("small", "other"), "utf-8")
    galleries.update("theirs", Web({}))
    assert galleries.find("other").files[0].path == "other.gguf"
    with pytest.raises(ModelNotFound):
        galleries.find("theirs@small")


def test_the_first_gallery_s_entry_counts(galleries: Galleries, tmp_path: Path) -> None:
    path = tmp_path / "second.yaml"
    path.write_text(ENTRY.replace("A tiny model.", "Another."), "utf-8")
    galleries.add(str(path), Web({}))
    assert galleries.find("tiny-chat").description == "A tiny model."
    assert galleries.find("second@tiny-chat").description == "Another."


def test_a_gallery_is_added_once_and_removed_once(galleries: Galleries, tmp_path: Path) -> None:
    path = tmp_path / "second.yaml"
    path.write_text(ENTRY, "utf-8")
    galleries.add(str(path), Web({}))
    with pytest.raises(ConfigError, match="`localai gallery update second` fetches it again"):
        galleries.add(str(path), Web({}))
    other = tmp_path / "other.yaml"
    other.write_text(ENTRY, "utf-8")
    with pytest.raises(ConfigError, match="There is a gallery 'second' already: choose another"):
        galleries.add(str(other), Web({}), "second")
    galleries.remove("second")
    assert [index.name for index in galleries.all()] == ["localai"]
    with pytest.raises(ConfigError, match="There is no gallery 'second', only: localai"):
        galleries.remove("second")
    with pytest.raises(ConfigError, match="is part of LocalAI"):
        galleries.remove("localai")
    with pytest.raises(ConfigError, match="cannot be a gallery's name"):
        galleries.add(str(path), Web({}), "../up")


def test_what_is_no_gallery_is_not_added(galleries: Galleries, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("models:\n  - {name: x}\n", "utf-8")
    with pytest.raises(CardError, match="holds no model: the key"):
        galleries.add(str(path), Web({}))
    with pytest.raises(CardError, match="cannot be read"):
        galleries.add(str(tmp_path / "none.yaml"), Web({}))
    assert galleries.added() == []


def test_a_broken_copy_leaves_the_others(galleries: Galleries, tmp_path: Path) -> None:
    path = tmp_path / "second.yaml"
    path.write_text(ENTRY, "utf-8")
    galleries.add(str(path), Web({}))
    (tmp_path / "mine/galleries/second.yaml").write_text("[", "utf-8")
    first, second = galleries.all()
    assert first.entries
    assert not second.entries
    assert "is not valid YAML" in str(second.problems[0])


def test_a_broken_list_says_what_it_must_hold(galleries: Galleries, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/galleries.yaml").write_text("galleries: [{name: ../x, source: y}]", "utf-8")
    with pytest.raises(CardError, match="must hold `galleries:`"):
        galleries.added()


def test_a_model_whose_backend_is_not_installed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(ENTRY.replace("llama_cpp", "mlx"), "utf-8")
    index = read_any(str(path), "g", Web({}), BACKENDS)
    assert not index.entries
    assert "it runs on the backend 'mlx'; here are only" in index.unusable["tiny-chat"].reason


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://index.example.org/models", "example"),
        ("https://example.org/team/index.yaml", "team"),
        ("github:org/repo/gallery/nice.yaml@main", "nice"),
    ],
)
def test_a_gallery_has_a_name_that_says_something(
    galleries: Galleries, source: str, name: str
) -> None:
    web = Web(
        {source: ENTRY, "https://raw.githubusercontent.com/org/repo/main/gallery/nice.yaml": ENTRY}
    )
    assert galleries.add(source, web).name == name


def test_fetching_says_what_went_wrong(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongFile, match="is not UTF-8 text"):
        fetch_text(f"{address}/binary")
    with pytest.raises(NotInRegistry, match="answered 404"):
        fetch_text(f"{address}/none")
    with pytest.raises(FetchFailed, match="cannot be fetched"):
        fetch_text("http://127.0.0.1:1/none")


def test_what_is_too_large_is_so_at_every_attempt(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "long.yaml").write_text("-" * ((1 << 20) + 1))
    with pytest.raises(WrongFile, match="is larger than 1 MiB: this is no poem") as refused:
        fetch_text(f"{address}/long.yaml", expected=Expected(1 << 20, "this is no poem"))
    assert not refused.value.retryable


@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<title>Log in", " \n<html lang=en>"])
def test_a_web_page_in_place_of_a_text_is_told_as_what_it_is(
    served: tuple[Path, str], page: str
) -> None:
    folder, address = served
    (folder / "base.yaml").write_text(page)
    with pytest.raises(FetchFailed, match=r"a web page, not the text itself, .* Log in") as refused:
        fetch_text(f"{address}/base.yaml")
    assert refused.value.retryable


def test_a_list_of_galleries_is_plain(galleries: Galleries, tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "second.yaml"
    path.write_text(ENTRY, "utf-8")
    galleries.add(str(path), Web({}))
    kept = yaml.safe_load((tmp_path / "mine/galleries.yaml").read_text("utf-8"))
    assert kept == {"galleries": [{"name": "second", "source": str(path)}]}
    assert json.dumps(kept)


def test_the_folder_of_galleries_may_be_elsewhere(tmp_path: Path) -> None:
    models, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    for folder in (models, elsewhere):
        folder.mkdir()
    source = tmp_path / "mine.yaml"
    source.write_text(ENTRY)
    settings = load_settings(models=models, galleries=elsewhere)

    galleries_of(settings, BACKENDS).add(str(source), Web({}))

    assert {path.name for path in elsewhere.iterdir()} == {"galleries.yaml", "galleries"}
    assert not (tmp_path / "galleries.yaml").exists()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:8081", "127.0.0.1-8081"),
        ("localhost:8081", "localhost-8081"),
        ("[::1]:8081", "1-8081"),
        ("me:secret@gallery.example.org:8081", "example"),
    ],
)
def test_a_host_without_a_word_is_named_with_its_port(
    galleries: Galleries, host: str, name: str
) -> None:
    source = f"http://{host}/index.yaml"
    assert galleries.add(source, Web({source: ENTRY})).name == name


@pytest.mark.parametrize("text", ["", "no gallery", "["])
def test_an_address_is_shown_as_it_was_written(galleries: Galleries, text: str) -> None:
    source = "http://127.0.0.1:8081/index.yaml"
    with pytest.raises(CardError) as refused:
        galleries.add(source, Web({source: text}))
    assert refused.value.message.startswith(source)


def test_a_base_that_is_gone_counts_as_not_fetched(galleries: Galleries) -> None:
    source = "https://gallery.example.org/mine.yaml"
    index = galleries.add(source, Web({source: "[{name: a, url: 'https://example.org/a.yaml'}]"}))
    assert index.unusable["a"].unfetched
    assert "answered 404; run `localai gallery update`" in index.unusable["a"].reason


def test_a_gallery_gets_a_name_that_no_other_has(galleries: Galleries) -> None:
    sources = [
        "https://index.localai.io/models",
        "https://index.localai.io/more/models",
        "https://elsewhere.example/localai.yaml",
        "https://elsewhere.example/2/localai.yaml",
    ]
    web = Web(dict.fromkeys(sources, ENTRY))
    added = [galleries.add(source, web).name for source in sources]

    assert added[0] == "index.localai.io"  # `localai` is the one that ships with the program
    assert added[2] == "elsewhere.example"
    assert len({*added, "localai"}) == 5
    assert [one.name for one in galleries.added()] == added
    assert galleries.find("index.localai.io@tiny-chat").name == "tiny-chat"
    with pytest.raises(ConfigError, match=r"`localai gallery update index\.localai\.io` fetches"):
        galleries.add(sources[0], web)
