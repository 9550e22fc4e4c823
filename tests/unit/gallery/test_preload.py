from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from localai.cards.catalog import Catalog
from localai.errors import ConfigError
from localai.gallery.galleries import galleries_of
from localai.gallery.order import FetchOrder, InstallOrder, Order, PullOrder
from localai.gallery.preload import preload_orders
from localai.settings import catalog_folders, load_settings
from localai.store.whereabouts import Locator
from tests.unit.gallery.samples import BACKENDS


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def orders(tmp_path: Path, *names: str, **flags: Any) -> list[Order]:
    models = tmp_path / "models"
    models.mkdir(exist_ok=True)
    settings = load_settings(models=models, store=tmp_path / "store", preload=names, **flags)
    catalog = Catalog(catalog_folders(settings), BACKENDS, locate=Locator(settings.store))
    catalog.refresh()
    return preload_orders(settings, catalog.cards(), galleries_of(settings, BACKENDS))


def card(tmp_path: Path, text: str) -> None:
    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models/mine.yaml").write_text(text, "utf-8")


def test_a_name_of_the_gallery_is_installed_and_a_reference_pulled(tmp_path: Path) -> None:
    asked = ("qwen3-4b", "localai@qwen3-8b", "hf://org/repo:Q4_K_M", "ollama://llama3.2:1b")
    assert orders(tmp_path, *asked) == [
        InstallOrder("qwen3-4b", "qwen3-4b"),
        InstallOrder("localai@qwen3-8b", "qwen3-8b"),
        PullOrder("hf://org/repo:Q4_K_M", "repo:q4_k_m"),
        PullOrder("ollama://llama3.2:1b", "llama3.2:1b"),
    ]


def test_a_short_name_means_what_its_file_says(tmp_path: Path) -> None:
    folder = tmp_path / "config/localai"
    folder.mkdir(parents=True)
    (folder / "shortnames.conf").write_text('[shortnames]\n"tiny" = "hf://org/tiny"\n')
    assert orders(tmp_path, "tiny")[0].kind == "pull"


def test_what_is_here_is_left_alone_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card(tmp_path, "name: qwen3-4b\nbackend: echo\naliases: [fast]\n")
    caplog.set_level(logging.INFO)

    assert orders(tmp_path, "qwen3-4b", "fast", "hf://org/qwen3-4b-GGUF", "starter-chat") == []
    assert "hf://org/qwen3-4b-GGUF is here already" in caplog.text


def test_a_card_whose_files_are_missing_has_them_fetched(tmp_path: Path) -> None:
    card(tmp_path, "name: small\nbackend: llama_cpp\nmodel: hf://org/small\n")
    assert orders(tmp_path, "small") == [FetchOrder("small", {"hf://org/small": None})]


def test_a_profiles_model_may_be_named(tmp_path: Path) -> None:
    (order,) = orders(tmp_path, "gpt-4", profile="cpu")
    assert (order.kind, order.model) == ("fetch", "gpt-4")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("qwen3-4", "No gallery has a model 'qwen3-4'. Did you mean 'qwen3-4b'"),
        ("s3://bucket/model", "s3://bucket/model"),
    ],
)
def test_a_name_that_nobody_knows_ends_the_start(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        orders(tmp_path, "qwen3-8b", name)
    assert caught.value.message.startswith(f"preload = '{name}': ")
    assert message in caught.value.message


def test_without_names_no_gallery_is_read(tmp_path: Path) -> None:
    (tmp_path / "galleries.yaml").write_text("broken: [")
    assert orders(tmp_path) == []
