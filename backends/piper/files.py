"""Reads a voice's two files; whatever is wrong with them is one sentence."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
from piper import PiperVoice
from piper.config import PhonemeType, PiperConfig

from backends.piper.options import Options
from localai.errors import LoadFailed

_INPUTS = {"input", "input_lengths", "scales"}
_PINYIN_MODEL = Path("g2pW", "g2pw.onnx")
"""Where Piper looks for it in a voice's folder."""


@dataclass(frozen=True, slots=True)
class LoadedVoice:
    """A voice, and what its two files call the language that it speaks."""

    voice: PiperVoice
    languages: list[str]
    """espeak's name first, as `cmn`, then the description's, as `zh_CN` and `zh`."""


def load_voice(path: Path, options: Options) -> LoadedVoice:
    """Return the voice of `path` and `path.json`; raises LoadFailed."""
    if not path.is_file():
        raise LoadFailed(f"There is no file {path}.")
    description = path.with_name(f"{path.name}.json")
    values = _read_json(description)
    config = _read_config(description, values)
    _check_pinyin(path, config)
    session = _open_session(path, options)
    _check_inputs(path, session, config)
    voice = PiperVoice(session=session, config=config, download_dir=path.parent)
    return LoadedVoice(voice, _languages(config, values))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise LoadFailed(
            f"There is no file {path}: a Piper voice is two files, the model and this one beside "
            "it; both are published together."
        ) from None
    except (OSError, ValueError) as error:
        raise LoadFailed(f"{path} cannot be read as JSON: {error}.") from None


def _read_config(path: Path, values: Any) -> PiperConfig:
    try:
        return PiperConfig.from_dict(values)
    except KeyError as error:
        raise LoadFailed(f"{path} has no {error}: it is no description of a Piper voice.") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise LoadFailed(f"{path} is no description of a Piper voice: {error}.") from None


def _languages(config: PiperConfig, values: dict[str, Any]) -> list[str]:
    said = values.get("language")
    named = [said.get("code"), said.get("family")] if isinstance(said, dict) else []
    return [config.espeak_voice, *(name for name in named if isinstance(name, str))]


def _check_pinyin(path: Path, config: PiperConfig) -> None:
    """Raise LoadFailed where Piper would fetch what it needs from the network."""
    model = path.parent / _PINYIN_MODEL
    if config.phoneme_type is PhonemeType.PINYIN and not model.is_file():
        raise LoadFailed(
            f"{path} reads Chinese with the model g2pW, but there is no file {model}: unpack "
            f"Piper's g2pw.tar.gz into {model.parent}."
        )


def _open_session(path: Path, options: Options) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.n_threads
    # Long enough to bridge two operations; longer takes the cores from the encoder in between.
    settings.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=settings, providers=[_provider(options)]
        )
    except Exception as error:  # onnxruntime has a class of its own for each kind of mistake
        first = str(error).partition(os.linesep)[0]
        raise LoadFailed(f"{path} cannot be read as an ONNX model: {first}.") from error


def _provider(options: Options) -> str:
    if not options.use_cuda:
        return "CPUExecutionProvider"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise LoadFailed(
            "use_cuda: the installed onnxruntime cannot use CUDA; install onnxruntime-gpu in its "
            "place, or leave the option out."
        )
    return "CUDAExecutionProvider"


def _check_inputs(path: Path, session: onnxruntime.InferenceSession, config: PiperConfig) -> None:
    has = {one.name for one in session.get_inputs()}
    wanted = _INPUTS | ({"sid"} if config.num_speakers > 1 else set())
    if missing := sorted(wanted - has):
        raise LoadFailed(
            f"{path} is no Piper voice with {config.num_speakers} speakers: it has the inputs "
            f"{', '.join(sorted(has))}, but not {', '.join(missing)}."
        )
