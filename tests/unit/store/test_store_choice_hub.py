"""Choices on the hub: before the download, and what one pull does to the files of another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from localai.cards.importers.imported import CannotImport
from localai.cards.resolved import Backends
from localai.errors import InvalidReference
from localai.gallery.pulled import import_pulled, refuse_not_run
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder
from localai.store import preview
from localai.store.errors import FetchFailed, Offline, UnreadableArtifact, UnsafeFile
from localai.store.hub_cache import cache_folder
from localai.store.store import Store
from tests.unit.cli.minimal_gguf import minimal_gguf
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Fault, FileServer
from tests.unit.store.hub_server import Hub

SAFE = b"\x40" + bytes(7) + b'{"a": 1}' + bytes(500)


@pytest.fixture
def backends() -> Backends:
    return read_manifests(builtin_backends_folder())


def names(store: Store, repo: str) -> set[str]:
    folder = store.folder / "hf" / repo
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


# --- pipelines ---

PIPELINE = {
    "model_index.json": json.dumps({
        "_class_name": "StableDiffusionPipeline",
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }).encode(),
    "pipeline.safetensors": SAFE,
    "safety_checker/config.json": b"{}",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": SAFE + b"1",
    "unet/diffusion_pytorch_model.fp16.safetensors": SAFE + b"2",
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": SAFE + b"3",
    "vae_1_0/config.json": b"{}",
    "vae_1_0/diffusion_pytorch_model.safetensors": SAFE + b"4",
}  # fmt: skip
TEXTS = {"model_index.json", "unet/config.json", "vae/config.json"}
VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(("text", "variant"), [("org/art", ""), ("org/art:fp16", ".fp16")])
def test_of_a_pipeline_come_the_parts_of_its_index(
    hub: Hub, store: Store, text: str, variant: str
) -> None:
    hub.put("org/art", PIPELINE)
    store.pull(text)
    unet = f"unet/diffusion_pytorch_model{variant}.safetensors"
    assert names(store, "org/art") == {*TEXTS, VAE, unet}


def test_an_index_that_is_none_is_refused(hub: Hub, store: Store) -> None:
    hub.put("org/art", PIPELINE | {"model_index.json": b"[1]"})
    with pytest.raises(UnreadableArtifact, match=r"model_index\.json of org/art"):
        store.pull("org/art")


# --- before the download ---


@pytest.fixture
def _any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "_WORTH", 0)


@pytest.mark.usefixtures("_any_size")
@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"config.json": b'{"architectures": ["Qwen3ForCausalLM"]}', "model.safetensors": SAFE},
            "Nothing was fetched: repo is a folder of transformers.*fetch the model as a GGUF",
        ),
        (
            {
                "config.json": b'{"architectures": ["WhisperForConditionalGeneration"]}',
                "model.safetensors": SAFE,
            },
            "convert it by `ct2-transformers-converter`",
        ),
        ({"repo-Q4_K_M.gguf": minimal_gguf("flux")}, r"picture model \(flux\) in GGUF"),
    ],
)
def test_what_nothing_here_runs_is_refused_before_its_weights(
    hub: Hub, store: Store, files: dict[str, bytes], said: str
) -> None:
    hub.put("org/repo", files)
    with pytest.raises(CannotImport, match=said):
        store.pull("org/repo", check=refuse_not_run)
    # Of a GGUF file the beginning was asked for, of other weights nothing.
    assert len(hub.cdn.asked) == sum(name.endswith(".gguf") for name in files)
    assert names(store, "org/repo") == set()
    assert store.list() == []


WHISPER = {
    "config.json": b"{}",
    "vocabulary.txt": b"a",
    "tokenizer.json": b"{}",
    "model.bin": b"\x06\0\0\0\x0c\0WhisperSpec\0" + bytes(9000),
}


@pytest.mark.usefixtures("_any_size")
@pytest.mark.parametrize(
    "files",
    [
        {"repo-Q4_K_M.gguf": minimal_gguf()},
        {"repo-Q4_K_M.gguf": gguf(9_000_000)},  # whose beginning says nothing
        PIPELINE,
        {"config.json": b"{}", "modules.json": b"[]", "model.safetensors": SAFE},
        WHISPER,
    ],
)
def test_what_something_runs_or_nobody_knows_is_fetched(
    hub: Hub, store: Store, files: dict[str, bytes]
) -> None:
    hub.put("org/repo", files)
    assert store.pull("org/repo", check=refuse_not_run).model.exists()


EMBEDDER = {
    "config.json": b"{}",
    "modules.json": b'[{"type": "sentence_transformers.models.Transformer", "path": ""}]',
    "pytorch_model.bin": b"\x80\x02pickle" + bytes(90),
    "onnx/model.onnx": b"onnx",
}


@pytest.mark.usefixtures("_any_size")
def test_pickles_that_are_trusted_become_a_card_that_says_so(
    hub: Hub, store: Store, backends: Backends
) -> None:
    hub.put("org/repo", EMBEDDER)
    with pytest.raises(UnsafeFile, match=r"pytorch_model\.bin"):
        store.pull("org/repo", check=refuse_not_run)
    model = store.pull("org/repo", trust=True, check=refuse_not_run)
    card = import_pulled("mine", model, store.folder, backends).card
    assert (card["backend"], card["trust"]) == ("sentence_transformers", True)


def test_pickles_of_a_folder_that_is_used_in_place_are_not_trusted(
    store: Store, tmp_path: Path, backends: Backends
) -> None:
    for name, content in EMBEDDER.items():
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(content)
    model = store.pull(str(tmp_path / "own"))
    with pytest.raises(CannotImport, match="only as a pickle"):
        import_pulled("mine", model, store.folder, backends)


@pytest.mark.usefixtures("_any_size")
def test_a_description_that_came_with_a_model_is_never_its_card(
    hub: Hub, store: Store, backends: Backends
) -> None:
    theirs = b"name: x\nbackend: llama-cpp\nparameters: {model: m.gguf}\n" + (
        b"download_files: [{filename: m.gguf, uri: 'http://169.254.169.254/m.gguf'}]\n"
    )
    hub.put("org/repo", WHISPER | {"x.yaml": theirs, "mergekit_config.yml": b"parameters: {}\n"})
    model = store.pull("org/repo", check=refuse_not_run)
    assert (model.model / "x.yaml").is_file()
    card = import_pulled("mine", model, store.folder, backends).card
    assert card == {"name": "mine", "backend": "faster_whisper", "model": str(model.model)}


def test_a_file_of_unknown_size_at_an_address_is_looked_at(
    server: FileServer, store: Store
) -> None:
    url = server.put("/m.gguf", minimal_gguf("flux"))
    with pytest.raises(CannotImport, match="picture model"):
        store.pull(url, check=refuse_not_run)
    assert not list(store.folder.rglob("m.gguf*"))


@pytest.mark.usefixtures("_any_size")
def test_what_is_here_is_not_looked_at_again(hub: Hub, store: Store) -> None:
    hub.put("org/repo", {"repo-Q4_K_M.gguf": minimal_gguf()})
    store.pull("org/repo", check=refuse_not_run)
    asked = len(hub.cdn.asked)
    store.pull("org/repo", check=refuse_not_run)
    assert len(hub.cdn.asked) == asked


def test_a_sha256_of_a_folder_is_refused(hub: Hub, store: Store) -> None:
    hub.put("org/repo", {"sub/config.json": b"{}", "sub/model.safetensors": SAFE})
    with pytest.raises(InvalidReference, match="a sha256 is of one file"):
        store.pull("org/repo/sub", sha256=sha256(SAFE))


# --- shared files ---


def seen(first: bytes) -> dict[str, bytes]:
    return {"M-Q4_K_M.gguf": gguf(3000, 1), "M-Q8_0.gguf": gguf(4000, 2), "mmproj-F16.gguf": first}


def test_another_quantisation_does_not_take_the_projector_away(hub: Hub, store: Store) -> None:
    hub.put("org/M-GGUF", seen(gguf(500, 3)))
    old = store.pull("org/M-GGUF:Q4_K_M")
    newer = gguf(700, 4)
    hub.put("org/M-GGUF", seen(newer), commit="b" * 40)
    store.pull("org/M-GGUF:Q8_0")

    found = store.find(old.reference)
    assert found is not None
    projector = found.path_of("projector", store.folder)
    assert projector is not None
    assert projector.read_bytes() == newer
    assert [one.sha256 for one in found.files if one.kind == "projector"] == [sha256(newer)]
    assert store.remove("org/M-GGUF:Q8_0").kept
    assert projector.exists()


def test_a_model_comes_alone_unless_somebody_has_its_projector(hub: Hub, store: Store) -> None:
    hub.put("org/M-GGUF", seen(gguf(500, 3)))
    text = "org/M-GGUF/M-Q4_K_M.gguf"
    assert store.pull(text, projector=False).path_of("projector", store.folder) is None
    assert store.pull(text).path_of("projector", store.folder) is not None
    assert store.pull(text, projector=False).path_of("projector", store.folder) is not None


def test_a_cache_with_less_than_the_store_does_not_hide_it(
    hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put("org/art", PIPELINE)
    model = store.pull("org/art")
    (snapshot,) = (cache_folder() / "models--org--art/snapshots").iterdir()
    shutil.rmtree(snapshot / "vae")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert store.pull("org/art").files == model.files
    with pytest.raises(Offline, match=r"lacks the folder 'vae'.*HF_HUB_OFFLINE"):
        Store(tmp_path / "other").pull("org/art")


# --- addresses ---


def test_neither_login_nor_token_is_kept(server: FileServer, store: Store) -> None:
    server.put("/m.gguf", gguf())
    server.needs["/m.gguf"] = "Basic dXNlcjpoaWRkZW4="
    url = server.url.replace("//", "//user:hidden@") + "/m.gguf?api_key=hidden&v=1"
    model = store.pull(url)

    assert model.reference == f"{server.url}/m.gguf?api_key=***&v=1"
    assert store.find(url) == store.find(model.reference) == model
    kept = [one for one in store.folder.rglob("*") if one.is_file() and one.suffix != ".gguf"]
    assert kept
    for one in kept:
        assert "hidden" not in one.name
        assert b"hidden" not in one.read_bytes()
    assert server.asked[-1].path.endswith("api_key=hidden&v=1")


def test_a_download_that_fails_tells_no_token_either(server: FileServer, store: Store) -> None:
    url = server.put("/m.gguf", gguf(300_000)) + "?token=hidden"
    server.faults = [Fault(cut_at=200_000)] + [Fault(status=503)] * 9
    with pytest.raises(FetchFailed) as raised:
        store.pull(url)
    assert "m.gguf?token=***" in raised.value.message
    (note,) = store.folder.rglob("*.part.json")
    assert "hidden" not in note.read_text() + raised.value.message
    server.faults.clear()
    server.asked.clear()
    assert store.pull(url.replace("hidden", "fresh")).model.read_bytes() == gguf(300_000)
    assert server.sent < 300_000


def test_a_newer_file_behind_an_address_is_noticed(server: FileServer, store: Store) -> None:
    url = server.put("/m.gguf", gguf(5000, 1))
    store.pull(url)
    server.asked.clear()
    store.pull(url)
    assert server.sent <= 1
    server.put("/m.gguf", gguf(6000, 2))
    assert store.pull(url).model.read_bytes() == gguf(6000, 2)


def test_where_nobody_answers_what_is_here_is_taken_and_said(
    server: FileServer, store: Store
) -> None:
    url = server.put("/m.gguf", gguf())
    first = store.pull(url)
    del server.files["/m.gguf"]
    again = store.pull(url)
    assert again.model == first.model
    assert "there is no such file. The version that is here is taken." in again.notes[0]
    found = store.find(url)
    assert found is not None
    assert found.notes == ()
