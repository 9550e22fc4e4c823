"""Which files are taken of listings as real repositories have them."""

from __future__ import annotations

import pytest

from localai.store.content import refuse_unsafe
from localai.store.errors import NotInRegistry, UnsafeFile
from localai.store.repository_files import choose_files
from localai.store.weights import one_copy

WEIGHTS = (".safetensors", ".onnx", ".bin", ".gguf", ".pt", "_data", ".ckpt")


def chosen(
    listing: str, file: str | None = None, quant: str | None = None, **how: object
) -> tuple[set[str], str]:
    """Return the weights that are taken, and the main file."""
    paths, main = choose_files(listing.split(), file, quant, "org/repo", **how)  # type: ignore[arg-type]
    return {path for path in paths if path.endswith(WEIGHTS)}, main


# --- folders ---

BGE_M3 = """1_Pooling/config.json colbert_linear.pt config.json modules.json onnx/config.json
onnx/model.onnx onnx/model.onnx_data pytorch_model.bin sparse_linear.pt tokenizer.json"""
MINILM = """1_Pooling/config.json config.json model.safetensors modules.json onnx/model.onnx
onnx/model_O1.onnx openvino/openvino_model.bin openvino/openvino_model.xml pytorch_model.bin
rust_model.ot tf_model.h5 tokenizer.json train_script.py vocab.txt"""
E5 = """.gitattributes 1_Pooling/config.json config.json model.safetensors onnx/model.onnx
onnx/config.json sentencepiece.bpe.model pytorch_model.bin tokenizer.json modules.json"""
WHISPER = """config.json flax_model.msgpack model.fp32-00001-of-00002.safetensors
model.fp32-00002-of-00002.safetensors model.safetensors model.safetensors.index.fp32.json
pytorch_model.bin pytorch_model.fp32-00001-of-00002.bin tokenizer.json"""
MISTRAL = """config.json consolidated.safetensors model-00001-of-00002.safetensors
model-00002-of-00002.safetensors model.safetensors.index.json tokenizer.json"""
TRAINED = """config.json model.safetensors checkpoint-500/config.json optimizer.pt
checkpoint-500/model.safetensors checkpoint-500/optimizer.pt training_args.bin"""


@pytest.mark.parametrize(
    ("listing", "weights"),
    [
        (BGE_M3, {"pytorch_model.bin"}),
        (MINILM, {"model.safetensors"}),
        (E5, {"model.safetensors"}),
        (WHISPER, {"model.safetensors"}),
        (MISTRAL, {f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}),
        (TRAINED, {"model.safetensors"}),
        ("config.json model.bin tokenizer.json vocabulary.txt", {"model.bin"}),
        ("config.json model.fp16.safetensors", {"model.fp16.safetensors"}),
    ],
)
def test_weights_come_once_and_in_the_safe_form(listing: str, weights: set[str]) -> None:
    assert chosen(listing) == (weights, "")


def test_weights_that_are_pickles_alone_have_to_be_trusted_though_onnx_is_there() -> None:
    paths, _ = choose_files(BGE_M3.split(), None, None, "BAAI/bge-m3")
    with pytest.raises(UnsafeFile, match=r"pytorch_model\.bin.*--trust"):
        refuse_unsafe(paths, "BAAI/bge-m3", trust=False)
    assert not any("onnx" in path for path in paths)
    assert {"config.json", "modules.json", "1_Pooling/config.json"} <= set(paths)


def test_a_part_that_is_a_pickle_alone_is_not_dropped() -> None:
    listing = "2_Dense/config.json 2_Dense/pytorch_model.bin config.json model.safetensors"
    safe = f"{listing} 2_Dense/model.safetensors pytorch_model.bin"
    assert chosen(listing)[0] == {"2_Dense/pytorch_model.bin", "model.safetensors"}
    assert chosen(safe)[0] == {"2_Dense/model.safetensors", "model.safetensors"}


def test_onnx_without_a_voice_s_settings_is_no_model() -> None:
    with pytest.raises(NotInRegistry, match=r"no weights.*\.onnx with its \.onnx\.json"):
        chosen("config.json onnx/model.onnx model.onnx")


# --- voices ---

VOICES = """README.md voices.json en/en_US/amy/low/en_US-amy-low.onnx
en/en_US/amy/low/en_US-amy-low.onnx.json en/en_US/amy/medium/en_US-amy-medium.onnx
en/en_US/amy/medium/en_US-amy-medium.onnx.json en/en_US/amy/medium/samples/speaker_0.mp3"""
MEDIUM = "en/en_US/amy/medium/en_US-amy-medium.onnx"


@pytest.mark.parametrize("file", [None, "en/en_US/amy"])
def test_of_several_voices_one_has_to_be_named(file: str | None) -> None:
    with pytest.raises(NotInRegistry, match=r"2 voices: name one.*hf://org/repo/en/en_US/amy/low/"):
        chosen(VOICES, file)


def test_a_voice_is_found_in_its_folder() -> None:
    paths, main = choose_files(VOICES.split(), "en/en_US/amy/medium", None, "org/repo")
    assert (set(paths), main) == ({MEDIUM, f"{MEDIUM}.json"}, MEDIUM)


# --- pipelines ---

SDXL = """model_index.json sd_xl_base_1.0.safetensors scheduler/scheduler_config.json
text_encoder/config.json text_encoder/flax_model.msgpack text_encoder/model.fp16.safetensors
text_encoder/model.onnx text_encoder/model.safetensors text_encoder/openvino_model.bin
text_encoder_3/config.json text_encoder_3/model-00001-of-00002.safetensors
text_encoder_3/model-00002-of-00002.safetensors text_encoder_3/model.safetensors.index.json
text_encoder_3/model.fp16-00001-of-00002.safetensors
text_encoder_3/model.safetensors.index.fp16.json
text_encoder_3/model.fp16-00002-of-00002.safetensors text_encoders/clip_g.safetensors
tokenizer/tokenizer_config.json tokenizer/vocab.json unet/config.json
unet/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.non_ema.safetensors
unet/diffusion_pytorch_model.safetensors vae/config.json
vae/diffusion_pytorch_model.safetensors vae_1_0/config.json
vae_1_0/diffusion_pytorch_model.safetensors safety_checker/config.json
safety_checker/model.safetensors"""
PARTS = ["scheduler", "text_encoder", "text_encoder_3", "tokenizer", "unet", "vae"]


def test_a_pipeline_s_parts_are_those_that_its_index_names() -> None:
    paths, main = choose_files(SDXL.split(), None, None, "org/repo", parts=PARTS)
    assert main == ""
    assert {path for path in paths if path.endswith(WEIGHTS)} == {
        "text_encoder/model.safetensors",
        "text_encoder_3/model-00001-of-00002.safetensors",
        "text_encoder_3/model-00002-of-00002.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }
    texts = {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json"}
    assert texts | {"text_encoder_3/model.safetensors.index.json"} <= set(paths)
    assert not any("fp16" in path or path.startswith("safety") for path in paths)


def test_a_variant_of_a_pipeline_is_taken_where_its_parts_have_it() -> None:
    paths, _ = choose_files(SDXL.split(), None, "FP16", "org/repo", parts=PARTS)
    assert {path for path in paths if path.endswith(WEIGHTS)} == {
        "text_encoder/model.fp16.safetensors",
        "text_encoder_3/model.fp16-00001-of-00002.safetensors",
        "text_encoder_3/model.fp16-00002-of-00002.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert "text_encoder_3/model.safetensors.index.fp16.json" in paths
    assert "text_encoder_3/model.safetensors.index.json" not in paths


def test_a_variant_and_a_part_that_are_not_there_are_named() -> None:
    with pytest.raises(NotInRegistry, match=r"variant 'bf16'\. There are: fp16"):
        chosen(SDXL, quant="bf16", parts=PARTS)
    with pytest.raises(NotInRegistry, match="lacks the folder 'transformer'"):
        chosen(SDXL, parts=[*PARTS, "transformer"])


def test_without_the_index_every_folder_with_a_config_is_a_part_except_filters() -> None:
    weights, _ = chosen(SDXL)
    assert "vae/diffusion_pytorch_model.safetensors" in weights
    assert not any(path.startswith(("safety", "text_encoders/")) for path in weights)


# --- GGUF ---

SIZES = """mmproj-F16.gguf small/M-small-Q4_K_M.gguf small/mmproj-small-f16.gguf
large/M-large-Q4_K_M.gguf large/mmproj-large-f16.gguf"""
SHARDS = """mmproj-F16.gguf UD-Q4_K_XL/M-UD-Q4_K_XL-00001-of-00002.gguf
UD-Q4_K_XL/M-UD-Q4_K_XL-00002-of-00002.gguf"""
FIRST = "UD-Q4_K_XL/M-UD-Q4_K_XL-00001-of-00002.gguf"
SECOND = "UD-Q4_K_XL/M-UD-Q4_K_XL-00002-of-00002.gguf"


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_projector_of_a_model_s_own_folder_comes_first(size: str) -> None:
    main = f"{size}/M-{size}-Q4_K_M.gguf"
    assert chosen(SIZES, main) == ({main, f"{size}/mmproj-{size}-f16.gguf"}, main)


def test_then_comes_the_projector_of_a_folder_above() -> None:
    listing = "mmproj-F16.gguf a/mmproj-F16.gguf Q4/M-Q4_K_M.gguf"
    assert chosen(listing, "Q4/M-Q4_K_M.gguf")[0] == {"Q4/M-Q4_K_M.gguf", "mmproj-F16.gguf"}


@pytest.mark.parametrize("file", [FIRST, SECOND, "UD-Q4_K_XL"])
def test_any_part_and_the_folder_of_a_split_model_mean_all_of_it(file: str) -> None:
    assert chosen(SHARDS, file) == ({FIRST, SECOND, "mmproj-F16.gguf"}, FIRST)


def test_a_model_whose_projector_somebody_else_names_comes_alone() -> None:
    assert chosen(SHARDS, FIRST, projector=False) == ({FIRST, SECOND}, FIRST)


@pytest.mark.parametrize("quant", ["f16", "F16", "fp16", "FP16"])
def test_half_precision_has_two_spellings(quant: str) -> None:
    assert chosen("m-Q4_K_M.gguf m-F16.gguf", quant=quant)[1] == "m-F16.gguf"
    assert chosen("m-Q4_K_M.gguf m-fp16.gguf", quant=quant)[1] == "m-fp16.gguf"


# --- folders of a repository ---


def test_a_folder_of_a_repository_is_the_model() -> None:
    listing = "README.md sub/config.json sub/model.safetensors sub/onnx/model.onnx other/x.json"
    paths, main = choose_files(listing.split(), "sub", None, "org/repo")
    assert (paths, main) == (["sub/config.json", "sub/model.safetensors"], "sub")


def test_a_folder_without_weights_comes_as_it_is() -> None:
    paths, main = choose_files(["t/vocab.json", "t/merges.txt", "x"], "t", None, "org/repo")
    assert (paths, main) == (["t/merges.txt", "t/vocab.json"], "t")


def test_an_index_without_its_weights_is_kept_to_tell_what_is_missing() -> None:
    assert one_copy(["unet/m.safetensors.index.json"]) == ["unet/m.safetensors.index.json"]
