"""Reads a voice's two files; whatever is wrong with them is one sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import onnxruntime
from piper import PiperVoice
from piper.config import PiperConfig

from backends.piper.options import Options
from localai.errors import LoadFailed

_INPUTS = {"input", "input_lengths", "scales"}


def load_voice(path: Path, options: Options) -> PiperVoice:
    """Return the voice of `path` and `path.json`; raises LoadFailed."""
    if not path.is_file():
        raise LoadFailed(f"There is no file {path}.")
    config = _read_config(path.with_name(f"{path.name}.json"))
    session = _open_session(path, options)
    _check_inputs(path, session, config)
    return PiperVoice(session=session, config=config)


def _read_config(path: Path) -> PiperConfig:
    try:
        values: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise LoadFailed(
            f"There is no file {path}: a Piper voice is two files, the model and this one beside "
            "it; both are published together."
        ) from None
    except (OSError, ValueError) as error:
        raise LoadFailed(f"{path} cannot be read as JSON: {error}.") from None
    try:
        return PiperConfig.from_dict(values)
    except KeyError as error:
        raise LoadFailed(f"{path} has no {error}: it is no description of a Piper voice.") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise LoadFailed(f"{path} is no description of a Piper voice: {error}.") from None


def _open_session(path: Path, options: Options) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.n_threads
    # Threads that spin for more work take the cores from the encoder between two sentences.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
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
