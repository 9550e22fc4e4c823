from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from localai.gallery.card_of import card_complaints, card_of
from localai.gallery.entry import Entry
from localai.gallery.lint import lint
from tests.unit.cards.read_cards import read_card
from tests.unit.gallery.samples import BACKENDS, ENTRY, SHA, entry, gallery


def seeing(**changes: object) -> Entry:
    return entry(
        capabilities=["chat", "completion", "vision"],
        files=[
            {"path": "a.gguf", "uri": "hf://org/a/a.gguf", "sha256": SHA},
            {"path": "mmproj.gguf", "uri": "hf://org/a/mmproj.gguf"},
        ],
        card={"options": {"mmproj": "mmproj.gguf"}, "limits": {"context": 4096}} | changes,
    )


def complaints(one: Entry) -> list[str]:
    return [complaint.message for complaint in card_complaints(one, BACKENDS)]


def test_the_card_is_one_that_loads(tmp_path: Path) -> None:
    for name in ("model.gguf", "eyes.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    one = seeing(defaults={"temperature": 0.5})
    places = {"a.gguf": tmp_path / "model.gguf", "mmproj.gguf": tmp_path / "eyes.gguf"}
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(card_of(one, places)), "utf-8")
    card = read_card(path, BACKENDS)

    assert card.card.model == str(tmp_path / "model.gguf")
    assert card.options["mmproj"] == str(tmp_path / "eyes.gguf")
    assert card.options["n_ctx"] == 4096
    assert [str(one) for one in card.capabilities] == ["chat", "completion", "vision"]
    assert [file.uri for file in card.card.files] == ["hf://org/a/a.gguf", "hf://org/a/mmproj.gguf"]
    assert card.card.files[0].sha256 == SHA


def test_without_places_everything_lies_beside_the_card() -> None:
    card = card_of(seeing())
    assert card["model"] == "a.gguf"
    assert card["options"] == {"mmproj": "mmproj.gguf"}
    assert "defaults" not in card


def test_a_path_inside_a_folder_moves_with_the_folder() -> None:
    one = entry(
        backend="diffusers",
        capabilities=["image"],
        files=[{"path": "sd", "uri": "hf://org/sd"}],
        card={"options": {"lora": [{"path": "sd/style.safetensors", "scale": 1}]}},
    )
    card = card_of(one, {"sd": Path("/models/org/sd")})
    assert card["model"] == "/models/org/sd"
    assert card["options"]["lora"] == [{"path": "/models/org/sd/style.safetensors", "scale": 1}]


def test_a_good_card_has_nothing_wrong() -> None:
    assert complaints(seeing()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backend": "lama_cpp"}, "there is no backend 'lama_cpp', only: diffusers, echo"),
        ({"capabilities": ["speech"]}, "the backend 'llama_cpp' cannot do 'speech', only: chat"),
        ({"capabilities": ["vision"]}, "'vision' needs the option 'mmproj' under card.options"),
        ({"card": {"options": {"n_ctxx": 5}}}, "has no option 'n_ctxx'. Did you mean 'n_ctx'"),
        ({"card": {"options": {"n_ctx": "x"}}}, "options.n_ctx: should be of type integer"),
        ({"card": {"options": {"mmproj": "b.gguf"}}}, "none of 'files' is 'b.gguf'"),
        ({"card": {"model": "b.gguf"}}, "card.model: none of 'files' is 'b.gguf'"),
    ],
)
def test_what_the_backend_cannot_do_is_found(changes: dict[str, object], says: str) -> None:
    assert any(says in one for one in complaints(entry(**changes)))


def in_archive(name: str) -> Entry:
    uri = f"https://example.org/{name}"
    files = [{"path": name, "uri": uri, "sha256": "0" * 64}]
    return entry(files=files, card={"model": "inside/tiny.gguf"})


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz", "ALL.TGZ", "all.tar.zst"])
def test_what_an_archive_holds_shows_when_it_is_unpacked(name: str) -> None:
    assert complaints(in_archive(name)) == []


@pytest.mark.parametrize("name", ["all.zip", "all.7z", "all.gz"])
def test_what_the_store_does_not_unpack_holds_no_model(name: str) -> None:
    (says,) = complaints(in_archive(name))
    assert "none of 'files' is 'inside/tiny.gguf'" in says


def test_lint_places_what_is_wrong_and_lists_what_only_the_hub_knows() -> None:
    text = ENTRY.replace("backend: llama_cpp", "backend: llama_cpp\n    card: {options: {n: 1}}")
    text = text.replace("    licence: mit\n", "").replace(f"\n        sha256: {SHA}", "")
    found = lint(gallery(text), BACKENDS)

    assert [str(problem) for problem in found.problems] == [
        "gallery.yaml:2: the key 'licence' is missing",
        "gallery.yaml:6: the backend 'llama_cpp' has no option 'n'.",
    ]
    assert found.hub_hashed == ("tiny-chat",)


def test_lint_wants_a_hash_where_no_hub_knows_one() -> None:
    text = ENTRY.replace("hf://org/tiny/tiny.gguf", "https://example.org/tiny.gguf")
    assert lint(gallery(text), BACKENDS).problems == ()
    (found,) = lint(gallery(text.replace(f"\n        sha256: {SHA}", "")), BACKENDS).problems
    assert str(found) == (
        "gallery.yaml:9: 'https://example.org/tiny.gguf' is no hub that names a checksum: write "
        "its sha256"
    )


def test_lint_finds_variants_that_are_not_there() -> None:
    text = ENTRY.replace("    licence: mit", "    licence: mit\n    variants: [other]")
    (found,) = lint(gallery(text), BACKENDS).problems
    assert str(found) == "gallery.yaml:5: there is no entry 'other' to be a variant."
