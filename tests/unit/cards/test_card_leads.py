"""What the texts of a card stand for, before anything is looked up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.cards.leads import Lead, Leads
from localai.cards.resolved import Meaning
from localai.references import parse_reference
from tests.unit.cards.importers.checking import BACKENDS
from tests.unit.cards.read_cards import read_card
from tests.unit.cards.samples import write_card

MODEL, EYES = "https://example.org/all.tar.gz", "hf://org/repo/eyes.gguf"


class Names:
    """A gallery with the model `tiny`, of which nothing is here."""

    def __call__(self, reference: str, sha256: str | None = None, /) -> Path | None:
        return None

    def meaning(self, text: str, /) -> Meaning | None:
        return Meaning("hf://org/tiny", "1" * 64) if text == "tiny" else None

    def damaged(self, path: Path, /) -> str | None:
        return None


class Spelled(Names):
    """What a text without a scheme is for `localai pull`."""

    def meaning(self, text: str, /) -> Meaning | None:
        return Meaning(str(parse_reference(text)))


def leads(folder: Path, model: str, eyes: str) -> Leads:
    text = (
        f"name: a\nbackend: llama_cpp\nmodel: {model}\noptions: {{mmproj: '{eyes}'}}\nfiles:\n"
        f"- {{path: all.tar.gz, uri: '{MODEL}', sha256: '{'0' * 64}'}}\n"
        f"- {{path: eyes.gguf, uri: '{EYES}'}}\n"
    )
    card = replace(read_card(write_card(folder / "a.yaml", text), BACKENDS), locate=Names())
    return Leads(card)


def of_model(found: Leads) -> Lead:
    assert found.model is not None
    return found.model


def test_each_text_leads_to_one_place(tmp_path: Path) -> None:
    found = leads(tmp_path, "tiny", "./eyes.gguf")

    assert (of_model(found).reference, of_model(found).sha256) == ("hf://org/tiny", "1" * 64)
    assert found.options["mmproj"].reference == EYES
    assert list(found.elsewhere()) == ["hf://org/tiny", EYES, MODEL]


def test_a_path_that_is_there_leads_nowhere_else(tmp_path: Path) -> None:
    for name in ("tiny", "eyes.gguf"):
        (tmp_path / name).touch()
    found = leads(tmp_path, "tiny", "eyes.gguf")

    assert not of_model(found).is_elsewhere
    assert found.options["mmproj"].reference == "eyes.gguf"


def test_the_hash_of_an_archive_is_not_that_of_the_model_in_it(tmp_path: Path) -> None:
    model = of_model(leads(tmp_path, "all.tar.gz", "eyes.gguf"))

    assert (model.reference, model.sha256, model.content_hash) == (MODEL, "0" * 64, None)


def test_no_option_is_taken_for_a_name(tmp_path: Path) -> None:
    found = leads(tmp_path, MODEL, "tiny")

    assert found.options["mmproj"].reference == "tiny"


@pytest.mark.parametrize("written", ["hf:a/b", "hf.co/a/b", "huggingface://a/b", "HF://a/b"])
def test_other_spellings_of_a_reference_are_one(tmp_path: Path, written: str) -> None:
    digest = "a" * 64
    text = (
        f"name: a\nbackend: llama_cpp\nmodel: {written}\n"
        f"files: [{{path: b.gguf, uri: 'hf://a/b', sha256: {digest}}}]\n"
    )
    card = replace(read_card(write_card(tmp_path / "a.yaml", text), BACKENDS), locate=Spelled())

    (lead,) = Leads(card).elsewhere().values()
    assert (lead.sha256, lead.content_hash) == (digest, digest)


def test_the_login_of_an_address_is_kept(tmp_path: Path) -> None:
    url = "https://me:secret@example.org/m.gguf"
    text = f"name: a\nbackend: llama_cpp\nmodel: {url}\nfiles: [{{path: m.gguf, uri: '{url}'}}]\n"
    card = read_card(write_card(tmp_path / "a.yaml", text), BACKENDS)

    assert list(Leads(card).elsewhere()) == [url]
