"""LocalAI's body of `/models/apply`: everything in it is honoured, or refused with its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from localai.cards.catalog import Catalog
from localai.errors import InvalidRequest, LocalAIError, ModelNotFound, UnsupportedParameter
from localai.gallery.apply import ApplyRequest, order_for
from localai.gallery.card_of import card_of
from localai.gallery.entry import Entry
from localai.gallery.galleries import galleries_of
from localai.gallery.order import ConfigureOrder, InstallOrder, as_json, read_order
from localai.gallery.ordered_entry import configured_entry, ordered_entry
from localai.gallery.orders import Orders
from localai.settings import Settings
from localai.store.errors import NotInRegistry
from tests.unit.gallery.samples import BACKENDS, ENTRY, SHA, Web, entry

BASE = "github:org/repo/base.yaml@main"
ADDRESS = "https://raw.githubusercontent.com/org/repo/main/base.yaml"
FILES = [{"filename": "tiny.gguf", "uri": "hf://org/tiny/tiny.gguf"}]


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    galleries = tmp_path / "galleries"
    galleries.mkdir()
    (galleries / "mine.yaml").write_text(
        ENTRY
        + "    variants: [tiny-q8]\n"
        + ENTRY.split("\n", 1)[1].replace("tiny-chat", "tiny-q8")
    )
    known = {"galleries": [{"name": "mine", "source": "/elsewhere/mine.yaml"}]}
    (tmp_path / "galleries.yaml").write_text(yaml.safe_dump(known))
    settings = Settings(models=tmp_path / "models", store=tmp_path / "store")
    return Orders(settings, BACKENDS, Catalog([], BACKENDS), galleries_of(settings, BACKENDS))


def order(orders: Orders, **body: Any) -> dict[str, Any]:
    return as_json(order_for(ApplyRequest.model_validate(body), orders))


def ordered(**asked: Any) -> dict[str, Any]:
    order = read_order({"kind": "install", "entry": "tiny-chat", "name": "tiny-chat"} | asked)
    assert isinstance(order, InstallOrder)
    return card_of(ordered_entry(entry(), order, BACKENDS))


def configured(web: Web, **asked: Any) -> Entry:
    order = read_order({"kind": "configure", "url": "", "config": None, "name": None} | asked)
    assert isinstance(order, ConfigureOrder)
    return configured_entry(order, BACKENDS, web)


def test_overrides_become_parts_of_the_card() -> None:
    card = ordered(
        name="mine",
        description="My own.",
        overrides={
            "context_size": 2048, "parameters": {"temperature": 0.2, "top_k": 7},
            "stopwords": ["</s>"], "gpu_layers": 12, "backend": "llama-cpp", "f16": True,
        },
    )  # fmt: skip
    assert (card["name"], card["description"]) == ("mine", "My own.")
    assert card["defaults"] == {"temperature": 0.2, "top_k": 7, "stop": ["</s>"]}
    assert card["limits"]["context"] == 2048
    assert card["options"] == {"n_gpu_layers": 12}
    assert card["files"][0]["uri"] == "hf://org/tiny/tiny.gguf"


def test_a_file_of_the_caller_takes_the_place_of_the_entrys() -> None:
    card = ordered(files=[{"filename": "tiny.gguf", "uri": "hf://me/own/x.gguf", "sha256": SHA}])
    assert card["model"] == "tiny.gguf"
    assert card["files"] == [{"path": "tiny.gguf", "uri": "hf://me/own/x.gguf", "sha256": SHA}]


def test_overrides_may_name_files_of_the_caller() -> None:
    card = ordered(
        files=[{"filename": "eyes.gguf", "uri": "hf://me/eyes/e.gguf"}],
        overrides={"mmproj": "eyes.gguf"},
    )
    assert card["options"] == {"mmproj": "eyes.gguf"}
    assert [file["path"] for file in card["files"]] == ["tiny.gguf", "eyes.gguf"]


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"mirostat": 2}, "`mirostat`"),
        ({"parameters": {"tfz": 0.5}}, "`parameters.tfz`"),
        ({"no_such": 1}, "`no_such`"),
        ({"known_usecases": ["vision"]}, "`vision`"),
        ({"backend": "vllm"}, "vllm"),
        ({"system_prompt": "Be kind."}, "`system_prompt`"),
        ({"options": ["parallel:4", "nonsense:1"]}, "`options: nonsense:1`"),
        ({"options": ["context_shift:true"]}, "`options: context_shift:true`"),
        ({"options": ["use_jinja:false"]}, "`options: use_jinja:false`"),
        ({"options": ["batch_size:many"]}, "`options: batch_size:many`"),
    ],
)
def test_what_a_card_cannot_have_is_refused_by_its_name(
    overrides: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnsupportedParameter) as raised:
        ordered(overrides=overrides)
    assert raised.value.param == "overrides"
    assert named in raised.value.message


def test_options_that_say_what_is_so_here_are_no_loss() -> None:
    said = ["use_jinja:true", "cache_reuse:256", "context_shift:false", "parallel:4"]
    assert ordered(overrides={"options": said})["limits"] == {"max_concurrent": 4}


def test_an_option_of_the_callers_own_configuration_is_not_dropped_in_silence() -> None:
    config = {"backend": "llama-cpp", "parameters": {"model": "tiny.gguf"}}
    with pytest.raises(UnsupportedParameter, match="`options: nonsense:1`"):
        configured(Web({}), config=config | {"options": ["nonsense:1"]}, name="x", files=FILES)


def test_a_configuration_over_its_base_under_the_callers_name() -> None:
    base = {
        "name": "base", "description": "A base.", "license": "mit", "files": FILES,
        "config_file": yaml.safe_dump(
            {"backend": "llama-cpp", "parameters": {"temperature": 0.7, "top_p": 0.9}}
        ),
    }  # fmt: skip
    web = Web({ADDRESS: yaml.safe_dump(base)})
    asked = configured(
        web, url=BASE, config={"parameters": {"top_p": 0.5}}, name="mine",
        overrides={"parameters": {"temperature": 0.1}},
    )  # fmt: skip
    card = card_of(asked)
    assert (card["name"], card["description"], card["model"]) == ("mine", "A base.", "tiny.gguf")
    assert card["defaults"] == {"temperature": 0.1, "top_p": 0.5}
    assert web.asked == [ADDRESS]


def test_a_whole_configuration_at_an_address() -> None:
    whole = {
        "name": "whole", "backend": "llama-cpp", "parameters": {"model": "tiny.gguf"},
        "download_files": FILES, "context_size": 4096,
    }  # fmt: skip
    web = Web({"https://host/whole.yaml": yaml.safe_dump(whole)})
    card = card_of(configured(web, url="https://host/whole.yaml"))
    assert (card["name"], card["limits"]["context"]) == ("whole", 4096)


def test_a_configuration_that_cannot_be_run_says_why() -> None:
    for config, named in (
        ({"backend": "vllm", "parameters": {"model": "a/b"}}, "vllm"),
        ({"backend": "llama-cpp", "parameters": {"model": "tiny.gguf"}, "mcp": {"a": 1}}, "`mcp"),
    ):
        with pytest.raises(UnsupportedParameter, match=named):
            configured(Web({}), config=config, name="x", files=FILES)
    with pytest.raises(InvalidRequest, match="what the model is called"):
        configured(Web({}), config={"backend": "piper"})
    with pytest.raises(NotInRegistry):
        configured(Web({}), url=BASE, name="x")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"url": "hf://org/repo"}, {"kind": "pull", "reference": "hf://org/repo", "name": "repo"}),
        ({"id": "", "url": "ollama://a:1b", "name": "x"},
         {"kind": "pull", "reference": "ollama://a:1b", "name": "x"}),
        ({"url": BASE}, {"kind": "configure", "url": BASE, "config": None, "name": None}),
        ({"config_url": "https://host/a.yaml?x=1", "url": ""},
         {"kind": "configure", "url": "https://host/a.yaml?x=1", "config": None, "name": None}),
        ({"url": "huggingface://org/repo/a.yml@main", "files": FILES},
         {"kind": "configure", "url": "huggingface://org/repo/a.yml@main", "config": None,
          "name": None, "files": FILES}),
        ({"id": "mine@tiny-chat", "name": "x", "license": "mit", "tags": ["a"]},
         {"kind": "install", "entry": "mine@tiny-chat", "name": "x"}),
        ({"id": "mine@tiny-chat", "variant": "tiny-q8"},
         {"kind": "install", "entry": "mine@tiny-chat", "name": "tiny-chat", "variant": "tiny-q8"}),
        ({"id": "tiny-chat", "config_file": {"context_size": 1, "threads": 2},
          "overrides": {"context_size": 3}},
         {"kind": "install", "entry": "tiny-chat", "name": "tiny-chat",
          "overrides": {"context_size": 3, "threads": 2}}),
    ],
)  # fmt: skip
def test_bodies_come_to_orders(
    orders: Orders, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert order(orders, **body) == {**expected, "from_caller": True}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("llama3", "given as 'url', not as 'id': Ollama's model of that name is ollama://llama3,"),
        ("llama3:8b", "ollama://llama3:8b,"),
        ("org/repo", "'org/repo' names a model elsewhere: give it as 'url', not as 'id'."),
        ("hf://org/repo", "give it as 'url', not as 'id'."),
        ("short", "'short' names a model elsewhere: give it as 'url', not as 'id'."),
        ("tiny-chatt", "Did you mean 'tiny-chat' or"),
    ],
)
def test_what_no_gallery_has_is_told_with_how_to_ask_for_it(
    orders: Orders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    names = tmp_path / "config/localai/shortnames.conf"
    names.parent.mkdir(parents=True)
    names.write_text('[shortnames]\n"short" = "hf://org/repo"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(ModelNotFound) as raised:
        order(orders, id=name)
    assert raised.value.param == "id"
    assert told in raised.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"id": "none"}, "id"),
        ({"id": "tiny-chat", "variant": "other"}, "variant"),
        ({"url": "hf://a/b", "variant": "other"}, "variant"),
        ({"id": "tiny-chat", "prompt_templates": []}, "prompt_templates"),
        ({"id": "tiny-chat", "files": [{"filename": "a", "uri": "hf://a/b", "mode": 1}]},
         "files[0].mode"),
        ({"url": "file:///etc/a.yaml"}, "url"),
        ({"url": "nonsense://x"}, "url"),
        ({}, None),
    ],
)  # fmt: skip
def test_what_is_known_to_be_wrong_is_told_at_once(
    orders: Orders, body: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(LocalAIError) as raised:
        order(orders, **body)
    assert raised.value.param == param
    assert raised.value.status in {400, 404}
