from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localai.store import store as stores
from localai.store.download import Patience
from localai.store.flights import Downloader
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

GGUF = minimal_gguf()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LOCALAI_MODELS", str(folder))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    hasty = Downloader(patience=Patience(stall=5, attempts=2, pause=0))
    monkeypatch.setattr(stores, "shared_downloader", lambda: hasty)
    return folder


def stored(tmp_path: Path) -> list[str]:
    """Return the names of the model files in the store."""
    found = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
    return sorted(path.name for path in found if path.suffix not in {".json", ""})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "Some Model-Q4_K.gguf"
    path.write_bytes(GGUF)
    return path


def card(path: Path) -> dict[str, str]:
    content = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


# --- a file ---


def test_a_file_gets_a_card_and_stays_where_it_is(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", str(model))

    path = models / "some-model-q4_k.yaml"
    assert ended == (0, f"Wrote {path}. Try: localai chat some-model-q4_k\n", "")
    assert card(path) == {
        "name": "some-model-q4_k", "backend": "llama_cpp", "model": str(model),
    }  # fmt: skip
    assert [one.name for one in models.iterdir()] == [path.name]


def test_a_file_uri_and_a_name_are_taken(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    assert localai("pull", model.as_uri(), "--name", "org/m:q4").code == 0
    assert card(models / "org-m-q4.yaml")["name"] == "org/m:q4"


def test_a_relative_path_is_written_absolute(
    models: Path, model: Path, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    localai("pull", model.name, "--name", "m")

    assert card(models / "m.yaml")["model"] == str(model)


def test_another_card_is_only_replaced_by_force(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    (models / "m.yaml").write_text("name: m\nbackend: echo\n")
    refused = localai("pull", str(model), "--name", "m")

    assert refused.code == 1
    assert "already there and differs" in refused.err
    assert localai("pull", str(model), "--name", "m", "--force").code == 0
    assert card(models / "m.yaml")["backend"] == "llama_cpp"
    assert localai("pull", str(model), "--name", "m").code == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"tjgg" + bytes(20), "old GGJT format"),
        (b'\x40\x00\x00\x00\x00\x00\x00\x00{"a": 1}', "safetensors"),
        (b"ELF?", "starts with b'ELF?'"),
    ],
)
def test_what_is_no_gguf_is_named(
    models: Path, model: Path, localai: Callable[..., Ended], content: bytes, reason: str
) -> None:
    model.write_bytes(content)
    ended = localai("pull", str(model))

    assert ended.code == 1
    assert "is not a GGUF model" in ended.err
    assert reason in ended.err
    assert list(models.iterdir()) == []


@pytest.mark.parametrize("ref", ["ftp://host/m.gguf", "oci:x y", "hf://org", "a b"])
def test_what_names_no_model_is_refused_with_the_forms(
    models: Path, localai: Callable[..., Ended], ref: str
) -> None:
    ended = localai("pull", ref)

    assert ended.code == 1
    assert "does not name a model" in ended.err
    assert "hf://org/repo" in ended.err


def test_an_unknown_name_says_where_models_come_from(
    models: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", "qwen3-4")

    assert ended.code == 1
    assert "is no short name and no model of a gallery. Did you mean 'qwen3-4b'" in ended.err
    assert "hf://org/repo" in ended.err


def test_what_ollama_calls_a_model_is_told_how_it_is_pulled(
    models: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", "llama3.2:3b")

    assert ended.code == 1
    assert "`localai pull ollama://llama3.2:3b`" in ended.err


def test_the_checksum_of_a_file_is_checked_too(
    models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    assert "has the hash" in localai("pull", str(model), "--sha256", "0" * 64).err
    assert list(models.iterdir()) == []
    assert localai("pull", str(model), "--sha256", hashlib.sha256(GGUF).hexdigest()).code == 0


def test_a_missing_file_and_a_folder_are_named(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    assert "does not exist" in localai("pull", str(tmp_path / "none.gguf")).err
    assert "holds no model" in localai("pull", str(models)).err


def test_a_bad_name_is_wrong_use(models: Path, model: Path, localai: Callable[..., Ended]) -> None:
    ended = localai("pull", str(model), "--name", "../x")

    assert ended.code == 2
    assert "cannot be a model's name" in ended.err


# --- a URL ---


def serve(gateway: FakeGateway, body: bytes, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    gateway.answer("GET", "/files/M.gguf?download=1", Answer(200, body, named))
    return f"{gateway.url}/files/M.gguf?download=1"


def test_a_url_is_downloaded_into_the_store_and_gets_a_card(
    gateway: FakeGateway, models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF, content_length=str(len(GGUF)))
    ended = localai("pull", url, "--sha256", hashlib.sha256(GGUF).hexdigest().upper())

    assert (ended.code, ended.err) == (0, "")
    model = Path(card(models / "m.yaml")["model"])
    assert model.read_bytes() == GGUF
    assert model.name == "M.gguf"
    assert model.is_relative_to(tmp_path / "store")
    assert [one.name for one in models.iterdir()] == ["m.yaml"]


def test_a_file_that_is_there_is_only_fetched_again_by_force(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url)
    calls = len(gateway.calls)

    assert localai("pull", url).out.startswith("Kept ")
    assert len(gateway.calls) == calls
    assert localai("pull", url, "--force").code == 0
    assert len(gateway.calls) > calls


def test_what_a_person_wrote_in_the_card_stays(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url)
    path = models / "m.yaml"
    path.write_text(path.read_text("utf-8") + "keep_alive: -1\n")
    localai("pull", url)
    assert "keep_alive: -1" in path.read_text("utf-8")


def test_a_card_of_another_model_is_refused_before_the_download(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    (models / "m.yaml").write_text("name: m\nbackend: echo\n")
    assert "already there and differs" in localai("pull", serve(gateway, GGUF)).err
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"<html>", {"content_type": "text/html; charset=utf-8"}, "is a web page"),
        (b"<html>", {}, "it is a web page"),
        (b"", {"content_length": "0"}, "it is empty"),
        (GGUF, {"content_length": str(len(GGUF) + 1)}, "cannot be fetched"),
        (GGUF, {"content_length": str(1 << 60)}, "free"),
    ],
)
def test_a_bad_download_leaves_nothing(
    gateway: FakeGateway,
    models: Path,
    tmp_path: Path,
    localai: Callable[..., Ended],
    body: bytes,
    headers: dict[str, str],
    reason: str,
) -> None:
    ended = localai("pull", serve(gateway, body, **headers))

    assert ended.code == 1
    assert reason in ended.err
    assert list(models.iterdir()) == []
    assert [name for name in stored(tmp_path) if not name.endswith(".part")] == []


def test_a_wrong_checksum_leaves_nothing(
    gateway: FakeGateway, models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    ended = localai("pull", serve(gateway, GGUF), "--sha256", "0" * 64)

    assert ended.code == 1
    assert hashlib.sha256(GGUF).hexdigest() in ended.err
    assert "0" * 64 in ended.err
    assert list(models.iterdir()) == []
    assert stored(tmp_path) == []


def test_an_error_of_the_server_and_a_url_of_no_model_are_named(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    assert "answered 404" in localai("pull", f"{gateway.url}/none.gguf").err
    assert "does not name a model file" in localai("pull", f"{gateway.url}/").err
    assert "--trust" in localai("pull", f"{gateway.url}/model.bin").err


# --- a name of a gallery ---


@pytest.fixture
def team(gateway: FakeGateway, models: Path, tmp_path: Path, localai: Callable[..., Ended]) -> Path:
    """A gallery `team` with one model, `tiny`."""
    path = tmp_path / "team.yaml"
    path.write_text(
        "models:\n  - {name: tiny, backend: llama_cpp, capabilities: [chat], licence: mit,\n"
        f"     files: [{{path: M.gguf, uri: '{serve(gateway, GGUF)}',\n"
        f"       sha256: {hashlib.sha256(GGUF).hexdigest()}}}]}}\n",
        "utf-8",
    )
    assert localai("gallery", "add", str(path)).code == 0
    return path


@pytest.mark.parametrize("name", ["tiny", "team@tiny"])
def test_a_gallery_s_model_is_installed(
    team: Path, models: Path, localai: Callable[..., Ended], name: str
) -> None:
    ended = localai("pull", name)

    assert (ended.code, ended.err) == (0, "note: its licence is mit.\n")
    assert ended.out == f"Wrote {models / 'tiny.yaml'}. Try: localai chat tiny\n"
    assert Path(card(models / "tiny.yaml")["model"]).read_bytes() == GGUF
    assert localai("pull", name).out.startswith("Kept ")
    assert localai("install", name).out.startswith("Kept ")
    assert localai("pull", name, "--force").out.startswith("Wrote ")


def test_a_gallery_s_model_may_have_another_name(
    team: Path, models: Path, localai: Callable[..., Ended]
) -> None:
    assert localai("pull", "tiny", "--name", "mine").code == 0
    assert card(models / "mine.yaml")["name"] == "mine"
    assert localai("pull", "tiny", "--sha256", "0" * 64).code == 2


def test_what_was_pulled_is_installed_without_fetching_it_again(
    team: Path, gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    localai("pull", f"{gateway.url}/files/M.gguf?download=1")
    asked = len(gateway.calls)

    assert localai("install", "tiny").code == 0
    assert len(gateway.calls) == asked
    assert card(models / "tiny.yaml")["model"] == card(models / "m.yaml")["model"]


# --- a model that is here ---


def test_a_second_pull_says_that_it_is_here(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url)

    assert localai("pull", url).out == (
        f"Kept {models / 'm.yaml'}; {url} is here already. Try: localai chat m\n"
    )


def test_a_card_of_another_name_is_kept_too(
    gateway: FakeGateway, models: Path, model: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    localai("pull", url, "--name", "mine")
    localai("pull", str(model), "--name", "own")

    assert localai("pull", url).out.startswith(f"Kept {models / 'mine.yaml'}; ")
    assert localai("pull", str(model)).out.startswith(f"Kept {models / 'own.yaml'}. ")
    assert sorted(one.name for one in models.iterdir()) == ["mine.yaml", "own.yaml"]
    assert localai("pull", url, "--name", "more").out.startswith("Wrote ")


def test_a_pulled_model_needs_no_network(
    models: Path, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serve_files() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        Hub(server, server).put("org/tiny", {"tiny-Q4_K_M.gguf": GGUF})
        assert localai("pull", "org/tiny").code == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "another"))
    ended = localai("pull", "hf.co/org/tiny")

    assert ended.out == (
        f"Kept {models / 'tiny.yaml'}; hf://org/tiny is here already. Try: localai chat tiny\n"
    )
    assert (
        "HF_HUB_OFFLINE forbids to ask for hf://org/tiny. The version that is here is taken."
        in ended.err
    )
    assert "is not on this machine" not in ended.err
    assert localai("pull", "org/other").code == 1
    assert localai("card", "import", "org/tiny").code == 0


# --- cards that name what was pulled ---


@pytest.fixture
def by_reference(gateway: FakeGateway, models: Path, localai: Callable[..., Ended]) -> str:
    """A model that is here, with no card but one that names its reference."""
    url = serve(gateway, GGUF)
    localai("pull", url)
    (models / "m.yaml").unlink()
    (models / "far.yaml").write_text(f"name: far\nbackend: llama_cpp\nmodel: '{url}'\n")
    return url


def test_a_card_that_names_a_reference_has_its_model(
    by_reference: str, models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    assert localai("list").out.splitlines()[1].split()[0] == "far"
    assert f"reference: {by_reference}" in localai("show", "far").out
    assert localai("card", "check", str(models)).code == 0
    assert localai("export", "far", str(tmp_path / "far.tar")).code == 0
    for more in ((), ("--name", "far")):
        ended = localai("pull", by_reference, *more)
        assert ended.out.startswith(f"Kept {models / 'far.yaml'}; "), ended.err
    assert "5.0 kB became free" in localai("rm", "far").out
    assert list(models.iterdir()) == []


def test_a_card_whose_model_is_not_here_yet_is_kept(
    gateway: FakeGateway, models: Path, localai: Callable[..., Ended]
) -> None:
    url = serve(gateway, GGUF)
    text = f"name: far\nbackend: llama_cpp\nmodel: '{url}'\n"
    (models / "far.yaml").write_text(text)

    assert localai("show", "far").code == 0
    assert localai("pull", url).out == f"Kept {models / 'far.yaml'}. Try: localai chat far\n"
    assert (models / "far.yaml").read_text() == text
    assert f"reference: {url}" in localai("show", "far").out


def test_a_card_may_name_a_short_name(
    by_reference: str, models: Path, tmp_path: Path, localai: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    short = tmp_path / "config/localai/shortnames.conf"
    short.parent.mkdir(parents=True)
    short.write_text(f'[shortnames]\n"tiny" = "{by_reference}"\n')
    (models / "far.yaml").write_text("name: far\nbackend: llama_cpp\nmodel: tiny\n")

    assert localai("card", "check", str(models)).code == 0
    assert f"reference: {by_reference}" in localai("show", "far").out


def test_a_model_that_is_not_here_cannot_be_exported(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    (models / "far.yaml").write_text("name: far\nbackend: llama_cpp\nmodel: 'hf://org/far'\n")
    ended = localai("export", "far", str(tmp_path / "far.tar"))

    assert ended.code == 1
    assert "`localai pull hf://org/far` fetches it" in ended.err
