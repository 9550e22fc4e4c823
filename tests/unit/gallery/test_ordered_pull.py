"""Orders of callers to bring a model: what is there, and what cannot be written, is found first."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from localai.cards.catalog import Catalog
from localai.gallery.galleries import galleries_of
from localai.gallery.order import CallersOrder, ConfigureOrder, OrderedFile, PullOrder
from localai.gallery.orders import Orders
from localai.gallery.taken_names import NameTaken
from localai.settings import Settings
from localai.store.errors import CannotWrite
from localai.store.progress import ignore
from tests.unit.cards.importers.model_files import write_gguf
from tests.unit.gallery.samples import BACKENDS
from tests.unit.store.file_server import FileServer, serve_files
from tests.unit.store.hub_server import Hub

FILE = "hf://org/tiny/tiny.gguf"
CONFIG = {"backend": "llama-cpp", "parameters": {"model": FILE}}
ORDERS: dict[str, CallersOrder] = {
    "pull": PullOrder("hf://org/tiny", "tiny"),
    "configure": ConfigureOrder("", CONFIG, "tiny"),
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in list(os.environ):
        if name.startswith(("HF_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home/huggingface"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with serve_files() as files:
        monkeypatch.setenv("HF_ENDPOINT", files.url)
        hub = Hub(files, files)
        hub.put("org/tiny", {"tiny.gguf": write_gguf(tmp_path / "tiny.gguf").read_bytes()})
        hub.put("org/other", {"tiny.gguf": write_gguf(tmp_path / "other.gguf").read_bytes()})
        yield files


def orders_of(folder: Path, models: Path | None = None) -> Orders:
    settings = Settings(models=models or folder / "models", store=folder / "store")
    galleries = galleries_of(settings, BACKENDS)
    return Orders(settings, BACKENDS, Catalog([settings.models], BACKENDS), galleries)


def perform(orders: Orders, order: CallersOrder) -> Sequence[str]:
    return orders.perform(order, ignore, threading.Event())


@pytest.mark.parametrize("kind", ORDERS)
def test_a_card_that_cannot_be_written_is_found_before_the_first_byte(
    tmp_path: Path, server: FileServer, kind: str
) -> None:
    (tmp_path / "a-file").touch()
    models = tmp_path / "a-file/models"
    with pytest.raises(CannotWrite, match=r"a-file.*LOCALAI_STORE and LOCALAI_MODELS"):
        perform(orders_of(tmp_path, models), ORDERS[kind])
    assert not server.asked


def test_a_card_that_stays_as_it_is_need_not_be_written(
    tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = orders_of(tmp_path)
    perform(orders, ORDERS["pull"])

    def refuse(target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr("localai.gallery.taken_names.check_can_be_written", refuse)
    assert "was there and stays as it is" in perform(orders, ORDERS["pull"])[-1]


def test_a_model_whose_record_is_lost_is_ordered_again(tmp_path: Path, server: FileServer) -> None:
    orders = orders_of(tmp_path)
    perform(orders, ORDERS["pull"])
    for record in (tmp_path / "store/records").glob("*.json"):
        record.unlink()
    orders.check(ORDERS["pull"])
    assert "was there and stays as it is" in perform(orders, ORDERS["pull"])[-1]
    assert list((tmp_path / "store/records").glob("*.json"))
    with pytest.raises(NameTaken, match="another model 'tiny'"):
        orders.check(PullOrder("hf://org/other", "tiny"))


def test_a_card_that_names_the_model_by_its_reference_stays(
    tmp_path: Path, server: FileServer
) -> None:
    card = {"name": "tiny", "backend": "llama_cpp", "model": "hf://org/tiny", "aliases": ["mine"]}
    (tmp_path / "models").mkdir()
    (tmp_path / "models/tiny.yaml").write_text(yaml.safe_dump(card))
    assert "was there and stays as it is" in perform(orders_of(tmp_path), ORDERS["pull"])[-1]
    assert yaml.safe_load((tmp_path / "models/tiny.yaml").read_text()) == card


def test_a_name_like_that_of_a_file_of_the_order_stays_a_name(
    tmp_path: Path, server: FileServer
) -> None:
    url = server.put("/eyes.gguf", write_gguf(tmp_path / "eyes.gguf").read_bytes())
    order = PullOrder(
        "hf://org/tiny",
        "eyes.gguf",
        description="eyes.gguf",
        files=(OrderedFile(filename="eyes.gguf", uri=url),),
        overrides={"mmproj": "eyes.gguf"},
    )
    perform(orders_of(tmp_path), order)
    card = yaml.safe_load((tmp_path / "models/eyes.gguf.yaml").read_text())

    assert (card["name"], card["description"]) == ("eyes.gguf", "eyes.gguf")
    place = card["options"]["mmproj"]
    assert Path(place).is_relative_to(tmp_path / "store")
    assert [file["path"] for file in card["files"]] == [place]
