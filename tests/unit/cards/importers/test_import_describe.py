from __future__ import annotations

import struct
import sys
from pathlib import Path

import gguf
import pytest

from localai.cards.importers.describe import describe_file
from localai.cards.importers.imported import CannotImport
from localai.cards.importers.importing import import_card, import_model
from localai.protocol.capabilities import Capability
from tests.unit.cards.importers.checking import BACKENDS, check_imported
from tests.unit.cards.importers.model_files import (
    write_gguf,
    write_json,
    write_projector,
    write_safetensors,
    write_whisper,
)

STARTER = Path(__file__).parents[4] / "model-gallery/starter"


def pictures(folder: Path, pipeline: str = "StableDiffusionPipeline") -> Path:
    """Write a folder that looks as diffusers' do."""
    write_json(folder / "model_index.json", {"_class_name": pipeline})
    write_safetensors(folder / "unet/diffusion_pytorch_model.safetensors", "a")
    return folder


# --- what runs ---


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3", "phi3", "mamba"])
def test_language_models_are_run_by_llama_cpp(architecture: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "Some Model-Q4.gguf", architecture)
    found = import_card(path, BACKENDS)

    check_imported(found, tmp_path)
    assert found.card == {
        "name": "some-model-q4",
        "description": "A Model",
        "backend": "llama_cpp",
        "model": str(path),
    }
    assert found.notes == ()
    assert architecture in found.backend_reason
    assert "Q4_K_M" in found.backend_reason


@pytest.mark.parametrize(
    ("architecture", "pooling"),
    [("bert", None), ("nomic-bert", gguf.PoolingType.MEAN), ("qwen3", gguf.PoolingType.LAST)],
)
def test_models_that_pool_are_for_embeddings(
    architecture: str, pooling: gguf.PoolingType | None, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "m.gguf", architecture, pooling=pooling, template=None)
    found = import_card(path, BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["capabilities"] == ["embedding"]


def test_sampling_that_the_file_recommends_becomes_defaults(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "m.gguf",
        more={"general.sampling.temp": 0.6, "general.sampling.top_k": 20},
    )
    assert import_card(path, BACKENDS).card["defaults"] == {"temperature": 0.6, "top_k": 20}


def test_a_file_without_a_template_is_noted(tmp_path: Path) -> None:
    found = import_card(write_gguf(tmp_path / "m.gguf", template=None), BACKENDS)

    assert "ChatML" in found.notes[0]


def test_the_projector_that_fits_is_taken_along(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    write_projector(tmp_path / "a-mmproj.gguf", width=128)
    fits = write_projector(tmp_path / "b-mmproj.gguf")
    (tmp_path / "c-mmproj.gguf").write_bytes(b"GGUF")
    found = import_card(path, BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["options"] == {"mmproj": str(fits)}
    assert any("a-mmproj.gguf" in note and "another width" in note for note in found.notes)
    assert any("c-mmproj.gguf" in note for note in found.notes)


def test_a_projector_that_hears_lets_the_card_hear(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    write_projector(
        tmp_path / "mmproj.gguf",
        **{"clip.has_vision_encoder": True, "clip.has_audio_encoder": True},
    )
    found = import_card(path, BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["capabilities"] == ["chat", "completion", "vision", "hearing"]


def test_missing_parts_of_a_split_model_are_noted(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m-00001-of-00002.gguf", more={"split.count": 2, "split.no": 0})
    found = import_card(path, BACKENDS)

    assert found.card["name"] == "m"
    assert "m-00002-of-00002.gguf" in found.notes[0]


@pytest.mark.parametrize(
    ("path", "backend"),
    [
        ("chat/starter-chat.gguf", "llama_cpp"),
        ("voice/starter-voice.onnx", "piper"),
        ("whisper/starter-whisper", "faster_whisper"),
        ("image/starter-image", "diffusers"),
    ],
)
def test_the_models_that_ship_are_described_as_they_run(
    path: str, backend: str, tmp_path: Path
) -> None:
    found = import_card(STARTER / path, BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["backend"] == backend
    assert found.card["model"] == str(STARTER / path)


def test_a_folder_of_sentence_transformers(tmp_path: Path) -> None:
    write_json(tmp_path / "minilm/modules.json", [])
    found = import_card(tmp_path / "minilm", BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["backend"] == "sentence_transformers"


def test_whisper_without_its_tokenizer_is_noted(tmp_path: Path) -> None:
    folder = write_whisper(tmp_path / "w")
    (folder / "tokenizer.json").unlink()

    assert "tokenizer.json" in import_card(folder, BACKENDS).notes[0]


@pytest.mark.parametrize("name", ["sdxl-turbo", "FLUX.1-schnell"])
def test_distilled_picture_models_take_few_steps(name: str, tmp_path: Path) -> None:
    found = import_card(pictures(tmp_path / name, "FluxPipeline"), BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["options"] == {"steps": 4, "guidance_scale": 0}
    assert found.card["limits"] == {"max_concurrent": 1}


def test_flux_without_guidance_is_known_by_its_config(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "f", "FluxPipeline")
    config = {"_class_name": "FluxTransformer2DModel", "guidance_embeds": False}
    write_json(folder / "transformer/config.json", config)

    assert describe_file(folder).options["steps"] == 4


@pytest.mark.parametrize(
    "names",
    [
        ("model.diffusion_model.a", "cond_stage_model.b"),
        ("model.diffusion_model.a", "conditioner.embedders.0.b"),
        ("double_blocks.0.a",),
    ],
)
def test_picture_models_in_one_file(names: tuple[str, ...], tmp_path: Path) -> None:
    found = import_card(write_safetensors(tmp_path / "m.safetensors", *names), BACKENDS)

    check_imported(found, tmp_path)
    assert found.card["backend"] == "diffusers"
    assert "options.config" in found.notes[0]


def test_the_one_model_of_a_folder_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "Qwen"
    folder.mkdir()
    model = write_gguf(folder / "qwen-00001-of-00002.gguf")
    write_gguf(folder / "qwen-00002-of-00002.gguf")
    write_projector(folder / "mmproj.gguf")
    found = import_card(folder, BACKENDS)

    assert (found.card["name"], found.card["model"]) == ("qwen", str(model))


@pytest.mark.parametrize(
    "said", [["x.safetensors"], ["sub/x.bin", "x.safetensors"], ["openvino/x.bin", "x.safetensors"]]
)
def test_pickles_that_no_engine_reads_do_no_harm(said: list[str], tmp_path: Path) -> None:
    write_json(
        tmp_path / "m/modules.json", [{"path": "", "type": "sentence_transformers.models.T"}]
    )
    for name in said:
        (tmp_path / "m" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "m" / name).touch()

    assert import_card(tmp_path / "m", BACKENDS).card["backend"] == "sentence_transformers"


def test_what_was_fetched_keeps_its_reference(tmp_path: Path) -> None:
    found = import_model(
        write_gguf(tmp_path / "m.gguf"), BACKENDS, name="mine", reference="hf://org/repo:Q4_K_M"
    )
    assert (found.card["name"], found.card["model"]) == ("mine", "hf://org/repo:Q4_K_M")


# --- what does not ---


def refusal(path: Path) -> str:
    """Return why no card can be made."""
    described = describe_file(path)
    assert described.backend is None
    with pytest.raises(CannotImport) as refused:
        import_card(path, BACKENDS)
    assert described.reason in refused.value.message
    return described.reason


@pytest.mark.parametrize(
    ("more", "architecture", "reason"),
    [
        ({"general.type": "adapter"}, "llama", "adapter"),
        ({"general.type": "mmproj"}, "clip", "options.mmproj"),
        ({"llama.pooling_type": 4}, "llama", "reranker"),
        ({"split.count": 3, "split.no": 1}, "llama", "part 2 of 3"),
        ({}, "flux", "diffusers' format"),
        ({}, "wavtokenizer-dec", "speech"),
        ({}, "whisper", "CTranslate2"),
    ],
)
def test_gguf_files_that_are_no_whole_language_model(
    more: dict[str, object], architecture: str, reason: str, tmp_path: Path
) -> None:
    assert reason in refusal(write_gguf(tmp_path / "m.gguf", architecture, more=more))


def test_folders_that_no_backend_runs(tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    parts = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]}
    write_json(pickled / "model_index.json", parts)
    (pickled / "unet").mkdir()
    (pickled / "unet/diffusion_pytorch_model.bin").write_bytes(b"\x80")
    write_json(tmp_path / "cross/modules.json", [])
    write_json(tmp_path / "cross/config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    write_json(tmp_path / "lora/adapter_config.json", {})
    write_json(tmp_path / "llm/config.json", {"architectures": ["LlamaForCausalLM"]})
    write_json(
        tmp_path / "ears/config.json", {"architectures": ["WhisperForConditionalGeneration"]}
    )
    write_json(tmp_path / "rank/config.json", {"architectures": ["BertForSequenceClassification"]})
    write_json(tmp_path / "bert/config.json", {"architectures": ["BertModel"]})
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("a.gguf", "b.gguf"):
        write_gguf(tmp_path / "two" / name)

    assert "makes no pictures" in refusal(pictures(tmp_path / "film", "WanPipeline"))
    assert "can run any code" in refusal(pickled)
    assert "CrossEncoder" in refusal(tmp_path / "cross")
    assert "adapter" in refusal(tmp_path / "lora")
    assert "GGUF" in refusal(tmp_path / "llm")
    assert "ct2-transformers-converter" in refusal(tmp_path / "ears")
    assert "ranks" in refusal(tmp_path / "rank")
    assert "modules.json" in refusal(tmp_path / "bert")
    assert "TransformerSpec" in refusal(write_whisper(tmp_path / "nmt", "TransformerSpec"))
    assert "no model" in refusal(tmp_path / "empty")
    assert "a.gguf, b.gguf" in refusal(tmp_path / "two")


def test_files_that_no_backend_runs(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"lmgg" + bytes(100))
    (tmp_path / "p.ckpt").write_bytes(b"\x80\x02}")
    (tmp_path / "z.pt").write_bytes(b"PK\x03\x04")
    (tmp_path / "vad.onnx").write_bytes(b"\x08\x07" + bytes(50))
    (tmp_path / "odd.onnx").write_bytes(b"\x08\x07" + bytes(50))
    write_json(tmp_path / "odd.onnx.json", {"a": 1})

    assert "whisper.cpp" in refusal(tmp_path / "w.bin")
    assert "any code" in refusal(tmp_path / "p.ckpt")
    assert "any code" in refusal(tmp_path / "z.pt")
    assert "vad.onnx.json" in refusal(tmp_path / "vad.onnx")
    assert "no Piper voice" in refusal(tmp_path / "odd.onnx")
    lora = write_safetensors(tmp_path / "l.safetensors", "unet.a.lora_A.weight")
    assert "options.lora" in refusal(lora)
    llm = write_safetensors(tmp_path / "m.safetensors", "model.layers.0.mlp.weight")
    assert "as a single file" in refusal(llm)


def test_pickled_weights_need_trust(tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    write_json(flat / "modules.json", [{"path": "", "type": "sentence_transformers.models.T"}])
    (flat / "pytorch_model.bin").touch()
    parts = tmp_path / "parts"
    module = "sentence_transformers.models.Dense"
    write_json(parts / "modules.json", [{"path": ""}, {"path": "2_Dense", "type": module}])
    (parts / "2_Dense").mkdir()
    (parts / "2_Dense/pytorch_model.bin").touch()
    (parts / "model.safetensors").touch()
    mixed = pictures(tmp_path / "mixed")
    index = {"_class_name": "FluxPipeline", "unet": ["d", "U"], "vae": ["d", "V"]}
    write_json(mixed / "model_index.json", index)
    (mixed / "vae").mkdir()
    (mixed / "vae/diffusion_pytorch_model.bin").touch()

    for folder in (flat, parts, mixed):
        reason = refusal(folder)
        assert ".bin, which can run any code" in reason
        assert "`trust: true`" in reason


def test_foreign_code_is_named_with_how_to_trust_it(tmp_path: Path) -> None:
    write_json(tmp_path / "a/modules.json", [{"path": "", "type": "custom_st.Transformer"}])
    write_json(
        tmp_path / "b/modules.json", [{"path": "", "type": "sentence_transformers.models.T"}]
    )
    write_json(tmp_path / "b/config.json", {"auto_map": {"AutoModel": "modeling.NewModel"}})

    for name, code in (("a", "custom_st.Transformer"), ("b", "modeling.NewModel")):
        assert code in refusal(tmp_path / name)
        assert "options.trust_remote_code: true" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "pipeline",
    ["StableDiffusionUpscalePipeline", "StableDiffusionInpaintPipeline", "WanPipeline", "Unheard"],
)
def test_pipelines_that_need_more_than_a_text_are_refused(pipeline: str, tmp_path: Path) -> None:
    assert f"{pipeline}, makes no pictures from text" in refusal(pictures(tmp_path / "m", pipeline))


def test_folders_without_their_parts_or_pipeline_are_refused(tmp_path: Path) -> None:
    custom = tmp_path / "custom"
    write_json(custom / "model_index.json", {"_class_name": ["pipeline", "MyPipeline"]})
    assert "none of its code is run" in refusal(custom)
    whole = pictures(tmp_path / "m")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "U"],
        "safety_checker": ["a", "B"],
        "image_encoder": [None, None],
    }
    write_json(whole / "model_index.json", index)
    assert import_card(whole, BACKENDS).card["backend"] == "diffusers"
    write_json(whole / "model_index.json", index | {"vae": ["diffusers", "AutoencoderKL"]})
    assert "lacks the folders vae" in refusal(whole)


def test_a_model_for_the_other_byte_order_is_refused(tmp_path: Path) -> None:
    other = gguf.GGUFEndian.BIG if sys.byteorder == "little" else gguf.GGUFEndian.LITTLE
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", endianess=other)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    assert "-endian processors" in refusal(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 51) + b'{"a": {"shape": [1e400], "data_offsets": [0, 0]}}'.ljust(51),
        struct.pack("<Q", 48) + b'{"a": {"shape": [1], "data_offsets": [-8, -4]}}'.ljust(48),
        struct.pack("<Q", 48) + b'{"a": {"shape": [1], "data_offsets": [4, 0]}}'.ljust(48),
        b"",
        b"\xff" * 16,
        struct.pack("<Q", 1 << 40) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"a": 1} ',
        struct.pack("<Q", 4) + b"{{{{",
        struct.pack("<Q", 44) + b'{"a": {"shape": [1], "data_offsets": [0,9]}}'.ljust(44),
    ],
)
def test_broken_safetensors_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(CannotImport, match="damaged"):
        describe_file(path)


def test_a_broken_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.onnx").write_bytes(b"")
    with pytest.raises(CannotImport, match="no ONNX model"):
        describe_file(tmp_path / "v.onnx")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="does not exist"):
        import_card(tmp_path / "none", BACKENDS)


def test_capabilities_are_those_of_the_protocol(tmp_path: Path) -> None:
    assert describe_file(STARTER / "voice/starter-voice.onnx").capabilities == (Capability.SPEECH,)


def test_a_file_that_ollama_calls_by_its_hash_says_its_name(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / f"sha256-{'a1' * 32}")

    assert import_card(path, BACKENDS).card["name"] == "a-model"
