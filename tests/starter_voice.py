"""The embedded voice."""

from __future__ import annotations

from localai.settings import builtin_cards_folder

VOICE = builtin_cards_folder().parent / "voice" / "starter-voice.onnx"
SPEAKERS = ["ada", "ben", "cleo", "dan"]
