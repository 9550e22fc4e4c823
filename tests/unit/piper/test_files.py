"""Files that are missing, broken or of something else: each is one sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from piper import tashkeel

from backends.piper.files import load_voice
from backends.piper.options import Options
from backends.piper.worker import Piper
from localai.errors import InvalidRequest, LoadFailed
from localai.protocol.audio import SpeechRequest
from localai.protocol.launch import LaunchSpec
from tests.starter_voice import SPEAKERS, VOICE

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of the starter voice to break."""
    for path in (VOICE, VOICE.with_name(f"{VOICE.name}.json")):
        shutil.copy(path, tmp_path)
    return tmp_path / VOICE.name


def change(voice: Path, how: Change) -> None:
    path = voice.with_name(f"{voice.name}.json")
    values = json.loads(path.read_text("utf-8"))
    how(values)
    path.write_text(json.dumps(values), "utf-8")


def failure(voice: Path, **options: Any) -> str:
    with pytest.raises(LoadFailed) as failed:
        load_voice(voice, Options(**options))
    return failed.value.message


def test_voice_is_read(copied: Path) -> None:
    loaded = load_voice(copied, Options(n_threads=1))
    voice = loaded.voice
    assert list(voice.config.speaker_id_map) == SPEAKERS
    assert voice.session.get_session_options().intra_op_num_threads == 1
    assert voice.download_dir == copied.parent
    assert loaded.languages == ["en-us", "en_US"]


@pytest.mark.parametrize(
    ("language", "named"),
    [
        ({"code": "zh_CN", "family": "zh", "region": "CN"}, ["cmn", "zh_CN", "zh"]),
        ({"code": 7}, ["cmn"]),
        ("Chinese", ["cmn"]),
        (None, ["cmn"]),
    ],
)
def test_language_has_the_names_of_both(copied: Path, language: object, named: list[str]) -> None:
    change(copied, lambda values: values.update(language=language, espeak={"voice": "cmn"}))
    assert load_voice(copied, Options()).languages == named


async def test_voice_is_asked_for_by_any_name_of_its_language(copied: Path) -> None:
    language = {"code": "zh_CN", "family": "zh"}
    change(copied, lambda values: values.update(language=language, espeak={"voice": "cmn"}))
    worker = piper(copied, n_threads=1)
    await worker.load()
    for name in ("zh", "cmn", "zh-TW", "ZH_cn"):
        sounds = worker.speak(SpeechRequest(input="你好。", language=name))
        assert (await anext(sounds)).samples
        await sounds.aclose()
    with pytest.raises(InvalidRequest, match="speaks 'cmn', not 'en'"):
        await anext(worker.speak(SpeechRequest(input="Hello.", language="en")))


def test_pinyin_needs_its_model_beside_the_voice(copied: Path) -> None:
    change(copied, lambda values: values.update(phoneme_type="pinyin"))
    assert str(copied.parent / "g2pW" / "g2pw.onnx") in failure(copied)
    (copied.parent / "g2pW").mkdir()
    (copied.parent / "g2pW" / "g2pw.onnx").touch()
    assert load_voice(copied, Options()).voice.download_dir == copied.parent


def test_libraries_for_chinese_stay_off_the_network() -> None:
    code = "import os, backends.piper; print(os.environ['HF_HUB_OFFLINE'])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout == "1\n", printed.stderr


def test_missing_files_are_named(copied: Path) -> None:
    assert str(copied.parent / "none.onnx") in failure(copied.parent / "none.onnx")
    copied.with_name(f"{copied.name}.json").unlink()
    assert f"{copied}.json: a Piper voice is two files" in failure(copied)


def test_description_that_is_no_json(copied: Path) -> None:
    copied.with_name(f"{copied.name}.json").write_text("{")
    assert f"{copied}.json cannot be read as JSON" in failure(copied)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda values: values.pop("audio"), "has no 'audio'"),
        (lambda values: values.pop("num_speakers"), "has no 'num_speakers'"),
        (lambda values: values.update(phoneme_type="runes"), "'runes' is not a valid PhonemeType"),
        (lambda values: values.update(espeak="en"), "is no description of a Piper voice"),
    ],
)
def test_description_of_something_else(copied: Path, how: Change, said: str) -> None:
    change(copied, how)
    assert said in failure(copied)


def test_model_that_is_no_onnx(copied: Path) -> None:
    copied.write_bytes(b"nothing of the kind")
    message = failure(copied)
    assert message.startswith(f"{copied} cannot be read as an ONNX model")
    assert "\n" not in message


def test_model_of_something_else(copied: Path) -> None:
    shutil.copy(Path(tashkeel.__file__).with_name("model.onnx"), copied)
    message = failure(copied)
    assert "is no Piper voice with 4 speakers: it has the inputs" in message
    assert "but not input, " in message


def test_gpu_that_onnxruntime_does_not_know(copied: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime can use CUDA")
    assert "install onnxruntime-gpu" in failure(copied, use_cuda=True)


async def test_voice_that_cannot_say_a_word_does_not_load(copied: Path) -> None:
    change(copied, lambda values: values["espeak"].update(voice="xx-nowhere"))
    with pytest.raises(LoadFailed, match="does not speak"):
        await piper(copied).load()


async def test_card_without_a_model_or_with_another_option_does_not_load(copied: Path) -> None:
    with pytest.raises(LoadFailed, match="set `model`"):
        await piper(None).load()
    with pytest.raises(LoadFailed, match="no option 'speeker'"):
        piper(copied, speeker="ada")


async def test_info_describes_the_engine(copied: Path) -> None:
    info = await piper(copied, n_threads=1).load()
    assert info.capabilities == ["speech"]
    assert set(info.build) == {"piper-tts", "onnxruntime", "av"}
    assert info.footprint["host"] > 1_000_000


def piper(model: Path | None, **options: Any) -> Piper:
    return Piper(
        LaunchSpec(
            name="voice", backend=Path("piper"), socket=Path("socket"), model=model, options=options
        )
    )
