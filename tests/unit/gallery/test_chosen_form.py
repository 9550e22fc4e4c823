"""The form of a gallery's model that suits the machine is what gets installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localai.cards.catalog import Catalog
from localai.gallery import chosen_form
from localai.gallery.apply import ApplyRequest, order_for
from localai.gallery.fit import FreeMemory
from localai.gallery.galleries import galleries_of
from localai.gallery.order import InstallOrder
from localai.gallery.orders import Orders
from localai.gallery.preload import preload_orders
from localai.settings import Settings
from tests.unit.cli.ended import Ended
from tests.unit.gallery.samples import BACKENDS

GB = 10**9
CONTENT = b"GGUF" + bytes(1 << 16)


def write_gallery(folder: Path, address: str = "https://host") -> None:
    def one(name: str, size: int, *variants: str) -> dict[str, object]:
        file = {"path": f"{name}.gguf", "uri": f"{address}/{name}.gguf", "size": size}
        return {
            "name": name, "capabilities": ["chat"], "backend": "llama_cpp", "files": [file],
            "variants": list(variants), "notes": [f"A note on {name}."],
        }  # fmt: skip

    (folder / "galleries").mkdir()
    models = [one("base", GB, "middle", "huge"), one("middle", 4 * GB), one("huge", 90 * GB)]
    (folder / "galleries/mine.yaml").write_text(yaml.safe_dump({"models": models}))
    known = {"galleries": [{"name": "mine", "source": "/elsewhere/mine.yaml"}]}
    (folder / "galleries.yaml").write_text(yaml.safe_dump(known))


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_form, "free_memory", lambda: FreeMemory(16 * GB))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write_gallery(tmp_path)
    return Settings(models=tmp_path / "models", store=tmp_path / "store")


@pytest.mark.parametrize(
    ("more", "form"),
    [
        ({}, "middle"),
        ({"variant": "huge"}, "huge"),
        ({"variant": "base"}, None),
        ({"files": [{"filename": "base.gguf", "uri": "hf://me/own/x.gguf"}]}, None),
    ],
)
def test_an_order_over_http_says_which_form(
    settings: Settings, more: dict[str, object], form: str | None
) -> None:
    orders = Orders(settings, BACKENDS, Catalog([], BACKENDS), galleries_of(settings, BACKENDS))
    order = order_for(ApplyRequest.model_validate({"id": "mine@base", **more}), orders)
    assert isinstance(order, InstallOrder)
    assert (order.entry, order.name, order.variant) == ("mine@base", "base", form)
    entry = orders.entry_of(order)
    assert (entry.name, entry.files[0].path) == ("base", f"{form or 'base'}.gguf")


def test_a_preloaded_model_comes_in_the_form_that_suits(settings: Settings) -> None:
    preloading = settings.model_copy(update={"preload": ("mine@base",)})
    (order,) = preload_orders(preloading, [], galleries_of(settings, BACKENDS))
    assert order == InstallOrder("mine@base", "base", "middle")


def test_the_command_takes_the_form_that_suits_or_the_one_that_is_named(
    tmp_path: Path, served: tuple[Path, str], localai: Callable[..., Ended]
) -> None:
    folder, address = served
    for name in ("base", "middle"):
        (folder / f"{name}.gguf").write_bytes(CONTENT + name.encode())
    write_gallery(tmp_path, address)
    store = ("--store", str(tmp_path / "store"))
    ended = localai("install", "mine@base", *store)
    assert ended.code == 0, ended
    assert "'middle' is installed" in ended.err
    card = yaml.safe_load((tmp_path / "models/base.yaml").read_text())
    assert card["model"].endswith("/middle.gguf")
    ended = localai("install", "mine@base", "--variant", "base", "--force", *store)
    card = yaml.safe_load((tmp_path / "models/base.yaml").read_text())
    assert card["model"].endswith("/base.gguf")


def test_a_gallery_is_read_once_until_it_changes(settings: Settings, tmp_path: Path) -> None:
    galleries = galleries_of(settings, BACKENDS)
    first = galleries.all()
    assert all(one is two for one, two in zip(first, galleries.all(), strict=True))
    copy = tmp_path / "galleries/mine.yaml"
    copy.write_text(copy.read_text().replace("middle", "central"))
    assert "central" in galleries.all()[1].entries


def test_what_is_installed_stays_in_its_form_when_less_memory_is_free(
    tmp_path: Path,
    served: tuple[Path, str],
    localai: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, address = served
    for name in ("base", "middle"):
        (folder / f"{name}.gguf").write_bytes(CONTENT + name.encode())
    write_gallery(tmp_path, address)
    store = ("--store", str(tmp_path / "store"))
    assert localai("install", "mine@base", *store).code == 0
    monkeypatch.setattr(chosen_form, "free_memory", lambda: FreeMemory(2 * GB))

    settings = Settings(models=tmp_path / "models", store=tmp_path / "store")
    orders = Orders(settings, BACKENDS, Catalog([], BACKENDS), galleries_of(settings, BACKENDS))
    order = order_for(ApplyRequest.model_validate({"id": "mine@base"}), orders)
    assert isinstance(order, InstallOrder)
    assert order.variant == "middle"
    another = order_for(ApplyRequest.model_validate({"id": "mine@base", "name": "new"}), orders)
    assert isinstance(another, InstallOrder)
    assert another.variant is None
    again = localai("install", "mine@base", *store)
    assert (again.code, again.out.split()[0]) == (0, "Kept")


def test_an_order_has_the_name_that_its_model_will_have(settings: Settings) -> None:
    orders = Orders(settings, BACKENDS, Catalog([], BACKENDS), galleries_of(settings, BACKENDS))
    order = order_for(ApplyRequest(url="hf://org/Tiny-GGUF"), orders)
    assert order.model == "tiny"
    config = {"name": "own", "backend": "llama-cpp", "parameters": {"model": "hf://o/r/m.gguf"}}
    assert order_for(ApplyRequest(config_file=config), orders).model == "own"
