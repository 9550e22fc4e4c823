"""Cards of what lies elsewhere: texts by address, models by reference, names of galleries."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.cards.importers.imported import CannotImport
from localai.errors import InvalidReference, ModelNotFound
from localai.gallery.card_sources import CardSources, is_text
from localai.gallery.galleries import galleries_of
from localai.references import parse_reference
from localai.settings import Settings
from localai.store.download import Patience
from localai.store.errors import NotInRegistry, WrongFile
from localai.store.flights import Downloader
from localai.store.store import Store
from tests.unit.cards.importers.model_files import write_gguf, write_projector
from tests.unit.gallery.samples import BACKENDS, ENTRY, SHA
from tests.unit.store.file_server import FileServer, serve_files
from tests.unit.store.hub_server import Hub
from tests.unit.store.registry_server import Blob, TokenRegistry, manifest_of

YAML = b"""\
name: theirs
backend: llama-cpp
parameters: {model: 'hf://org/tiny/tiny.gguf', top_k: 7}
"""
MODELFILE = b"FROM hf.co/org/tiny\nPARAMETER top_k 7\nADAPTER ./lora.gguf\n"
OLLAMA = "application/vnd.ollama.image."


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HF_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home/huggingface"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as files:
        yield files


@pytest.fixture
def hub(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return Hub(server, server)


@pytest.fixture
def sources(tmp_path: Path) -> CardSources:
    settings = Settings(models=tmp_path / "models", store=tmp_path / "store")
    store = Store(settings.store, downloader=Downloader(patience=Patience(attempts=2, pause=0)))
    return CardSources(store, galleries_of(settings, BACKENDS), BACKENDS)


@pytest.fixture
def tiny(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "written.gguf").read_bytes()


# --- texts ---


@pytest.mark.parametrize("path", ["/a/theirs.yaml", "/a/theirs.yml?raw=1", "/raw/1234", "/a.txt"])
def test_localai_s_yaml_is_read_from_an_address(
    server: FileServer, sources: CardSources, path: str
) -> None:
    server.put(path.partition("?")[0], YAML)
    (found,) = sources.cards_of(f"{server.url}{path}")
    assert found.card["name"] == "theirs"
    assert found.card["model"] == "hf://org/tiny/tiny.gguf"
    assert found.card["defaults"] == {"top_k": 7}
    assert sources.store.list() == []


@pytest.mark.parametrize("path", ["/a/Modelfile", "/a/mario.modelfile", "/raw/mario"])
def test_a_modelfile_is_read_from_an_address(
    server: FileServer, sources: CardSources, path: str
) -> None:
    (found,) = sources.cards_of(server.put(path, MODELFILE), name="mine")
    assert (found.card["name"], found.card["model"]) == ("mine", "hf://org/tiny")
    assert any("ADAPTER" in note for note in found.notes)


@pytest.mark.parametrize("file", ["cards/theirs.yaml", "Modelfile"])
def test_a_text_comes_from_the_hub_with_its_token(
    hub: Hub, sources: CardSources, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    hub.token = "secret"
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.put("org/cards", {file: YAML if file.endswith("yaml") else MODELFILE})
    (found,) = sources.cards_of(f"hf://org/cards/{file}")
    assert found.card["defaults"] == {"top_k": 7}
    assert sources.store.list() == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("github:org/repo/gallery/a.yaml@main", True),
        ("https://raw.githubusercontent.com/org/repo/main/Modelfile", True),
        ("https://github.com/org/repo/blob/main/a.yaml", True),
        ("hf://org/repo/a.yml", True),
        ("https://host/m.gguf", False),
        ("https://host/voice.tar.gz", False),
        ("hf://org/repo/m.gguf", False),
        ("hf://org/repo", False),
        ("ollama://modelfile", False),
    ],
)
def test_texts_and_models_are_told_apart(text: str, wanted: bool) -> None:
    assert is_text(parse_reference(text)) is wanted


def test_a_page_of_github_stands_for_its_text(
    sources: CardSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(url: str, **_: object) -> str:
        asked.append(url)
        return YAML.decode()

    monkeypatch.setattr("localai.gallery.card_sources.fetch_text", fetch)
    for text in ("https://github.com/o/r/blob/main/a/b.yaml?plain=1", "github:o/r/a/b.yaml"):
        assert sources.cards_of(text)[0].card["name"] == "theirs"
    assert asked == ["https://raw.githubusercontent.com/o/r/main/a/b.yaml"] * 2


def test_mistakes_are_told_of_what_was_named(server: FileServer, sources: CardSources) -> None:
    url = server.put("/a/theirs.yaml", b"a: [\n")
    with pytest.raises(CannotImport, match="not valid YAML") as caught:
        sources.cards_of(url)
    assert caught.value.message.startswith(f"{url}:2: ")
    url = server.put("/a/Modelfile", b"FROM ./none.gguf\n")
    with pytest.raises(CannotImport, match=r"FROM names none\.gguf, which is not there") as caught:
        sources.cards_of(url)
    assert caught.value.message.startswith(f"{url}: ")
    card = server.put("/card.yaml", b"name: a\nbackend: echo\n")
    with pytest.raises(CannotImport, match="is a card already"):
        sources.cards_of(card)


def test_texts_that_are_none_are_refused(
    server: FileServer, hub: Hub, sources: CardSources
) -> None:
    with pytest.raises(NotInRegistry, match="404"):
        sources.cards_of(f"{server.url}/none.yaml")
    with pytest.raises(WrongFile, match="larger than 8 MiB"):
        sources.cards_of(server.put("/large.yaml", b"#" * (9 << 20)))
    with pytest.raises(WrongFile, match="larger than 8 MiB: this describes no model"):
        sources.cards_of(server.put("/wide.yaml", "#é".encode() * (3 << 20)))
    hub.put("org/cards", {"large.yaml": b"#" * (9 << 20), "a.yaml/b.json": b"{}", "x.json": b"{}"})
    with pytest.raises(WrongFile, match="larger than 8 MiB"):
        sources.cards_of("hf://org/cards/large.yaml")
    with pytest.raises(NotInRegistry, match=r"no file 'none\.yaml'"):
        sources.cards_of("hf://org/cards/none.yaml")


# --- models ---


def test_a_model_is_pulled_and_named_by_its_reference(
    hub: Hub, sources: CardSources, tiny: bytes
) -> None:
    hub.put("org/tiny-GGUF", {"tiny-Q4_K_M.gguf": tiny})
    (found,) = sources.cards_of("org/tiny-GGUF")
    assert (found.card["name"], found.card["model"]) == ("tiny", "hf://org/tiny-GGUF")
    assert found.card["backend"] == "llama_cpp"
    assert [model.reference for model in sources.store.list()] == ["hf://org/tiny-GGUF"]


def test_a_short_name_is_what_it_stands_for(
    server: FileServer, sources: CardSources, tiny: bytes, tmp_path: Path
) -> None:
    url = server.put("/m.gguf", tiny)
    path = tmp_path / "config/localai/shortnames.conf"
    path.parent.mkdir(parents=True)
    path.write_text(f'[shortnames]\n"small" = "{url}"\n', "utf-8")
    (found,) = sources.cards_of("small")
    assert (found.card["name"], found.card["model"]) == ("m", url)


def test_an_ollama_model_brings_its_layers(
    server: FileServer, sources: CardSources, tiny: bytes, tmp_path: Path
) -> None:
    projector = write_projector(tmp_path / "eyes.gguf").read_bytes()
    config = Blob(
        "application/vnd.docker.container.image.v1+json",
        json.dumps({"model_format": "gguf", "renderer": "tiny-coder"}).encode(),
    )
    layers = [
        Blob(f"{OLLAMA}model", tiny),
        Blob(f"{OLLAMA}projector", projector),
        Blob(f"{OLLAMA}adapter", tiny),
        Blob(f"{OLLAMA}template", b"{{ range .Messages }}{{ .Content }}{{ end }}"),
        Blob(f"{OLLAMA}system", b"Be kind."),
        Blob(f"{OLLAMA}params", b'{"stop": ["x"], "num_ctx": 2048}'),
        Blob(f"{OLLAMA}license", b"MIT"),
    ]
    registry = TokenRegistry(server)
    registry.put("library/tiny", "1b", manifest_of(config, layers), [config, *layers])
    text = f"ollama://{server.origin}/library/tiny:1b"
    (found,) = sources.cards_of(text)

    assert (found.card["name"], found.card["model"]) == ("tiny:1b", text)
    assert found.card["defaults"] == {"stop": ["x"]}
    assert found.card["limits"]["context"] == 2048
    assert "Be kind." in found.card["options"]["chat_template"]
    assert Path(found.card["options"]["mmproj"]).read_bytes() == projector
    for part in ("renderer 'tiny-coder'", "ADAPTER", "licence lies in"):
        assert any(part in note for note in found.notes), part


def test_a_template_of_docker_s_kind_is_taken(
    server: FileServer, sources: CardSources, tiny: bytes
) -> None:
    config = Blob("application/vnd.docker.ai.model.config.v0.1+json", b"{}")
    layers = [
        Blob("application/vnd.docker.ai.gguf.v3", tiny),
        Blob("application/vnd.docker.ai.chat.template.jinja", b"{{ messages }}!"),
    ]
    TokenRegistry(server).put("ai/tiny", "v1", manifest_of(config, layers), [config, *layers])
    (found,) = sources.cards_of(f"oci://{server.origin}/ai/tiny:v1")
    assert found.card["options"]["chat_template"] == "{{ messages }}!"
    assert any("came with it" in note for note in found.notes)


def test_a_gallery_s_model_comes_with_the_gallery_s_card(
    server: FileServer, sources: CardSources, tiny: bytes, tmp_path: Path
) -> None:
    text = ENTRY.replace("hf://org/tiny/tiny.gguf", server.put("/tiny.gguf", tiny))
    text = text.replace(SHA, hashlib.sha256(tiny).hexdigest())
    (tmp_path / "team.yaml").write_text(text, "utf-8")
    sources.galleries.add(str(tmp_path / "team.yaml"), lambda url: url)
    (found,) = sources.cards_of("team@tiny-chat", name="mine")
    assert (found.card["name"], found.card["description"]) == ("mine", "A tiny model.")
    assert Path(found.card["model"]).read_bytes() == tiny


# --- this machine ---


def test_what_is_here_is_read_where_it_is(
    sources: CardSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org").mkdir()
    model = write_gguf(tmp_path / "org/tiny")
    monkeypatch.chdir(tmp_path)
    for text in ("org/tiny", str(model), model.as_uri()):
        assert sources.cards_of(text)[0].card["model"] == str(model)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("none.gguf", NotInRegistry),
        ("./none", NotInRegistry),
        ("a b", InvalidReference),
        ("nobody-knows-this", ModelNotFound),
    ],
)
def test_what_is_nowhere_is_refused(
    sources: CardSources, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        sources.cards_of(text)
