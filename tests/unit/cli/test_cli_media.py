"""`transcribe`, `say`, `draw`, `embed` and pictures in `chat`; the gateway is scripted."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway, error, events, sse

Cli = Callable[..., Ended]
TRANSCRIPTIONS = ("POST", "/v1/audio/transcriptions")
TRANSLATIONS = ("POST", "/v1/audio/translations")
SPEECH = ("POST", "/v1/audio/speech")
IMAGES = ("POST", "/v1/images/generations")
EMBEDDINGS = ("POST", "/v1/embeddings")
CHAT = ("POST", "/v1/chat/completions")


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"RIFF")
    return path


def spoken(*texts: str) -> list[dict[str, object]]:
    return [
        {"type": "transcript.text.delta", "delta": text, "end": n + 1, "duration": len(texts)}
        for n, text in enumerate(texts)
    ]


# --- transcribe ---


def test_transcribe_prints_the_text(localai: Cli, gateway: FakeGateway, audio: Path) -> None:
    gateway.answer(*TRANSCRIPTIONS, Answer(body=events(*spoken(" Hello", " world."))))

    ended = localai("transcribe", str(audio), "--language", "en", "--model", "m")

    assert ended == (0, "Hello world.\n", "")
    form = gateway.calls[0].body.decode()
    for name, value in {"language": "en", "model": "m", "stream": "true"}.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n' in form
    assert 'name="file"; filename="talk.wav"' in form


def test_transcribe_writes_other_formats(
    localai: Cli, gateway: FakeGateway, audio: Path, tmp_path: Path
) -> None:
    gateway.answer(*TRANSCRIPTIONS, Answer(body=b"1\n00:00"))

    ended = localai("transcribe", str(audio), "--format", "srt", "-o", str(tmp_path / "a.srt"))

    assert ended == (0, "", "")
    assert (tmp_path / "a.srt").read_text() == "1\n00:00"
    assert b'name="response_format"\r\n\r\nsrt' in gateway.calls[0].body


def test_transcribe_translates(localai: Cli, gateway: FakeGateway, audio: Path) -> None:
    gateway.answer(*TRANSLATIONS, Answer(body=b"Hello.\n"))

    assert localai("transcribe", str(audio), "--translate") == (0, "Hello.\n", "")


def test_transcribe_of_no_audio_says_what_the_gateway_says(
    localai: Cli, gateway: FakeGateway, audio: Path
) -> None:
    gateway.answer_json(*TRANSCRIPTIONS, error("The file is no audio."), 400)

    assert localai("transcribe", str(audio)) == (1, "", "Error: The file is no audio.\n")


def test_a_transcription_that_breaks_off_is_an_error_after_what_came(
    localai: Cli, gateway: FakeGateway, audio: Path, tmp_path: Path
) -> None:
    gateway.answer(*TRANSCRIPTIONS, Answer(body=events(*spoken(" One", " two"), end="")))

    ended = localai("transcribe", str(audio))

    assert (ended.code, ended.out) == (1, "One two\n")
    assert "broke off" in ended.err
    assert localai("transcribe", str(audio), "-o", str(tmp_path / "a.txt")).code == 1
    assert (tmp_path / "a.txt").read_text() == "One two\n"


def test_a_transcription_that_never_began_writes_nothing(
    localai: Cli, gateway: FakeGateway, audio: Path, tmp_path: Path
) -> None:
    gateway.answer(*TRANSCRIPTIONS, Answer(body=events(end="")))

    assert localai("transcribe", str(audio), "-o", str(tmp_path / "a.txt")).code == 1
    assert not (tmp_path / "a.txt").exists()


def test_silence_is_an_empty_line(localai: Cli, gateway: FakeGateway, audio: Path) -> None:
    gateway.answer(*TRANSCRIPTIONS, Answer(body=events()))

    assert localai("transcribe", str(audio)) == (0, "\n", "")


# --- where results go ---

COMMANDS = [
    ("transcribe", "{audio}", "-o", "{folder}/a.txt"),
    ("say", "Hello", "-o", "{folder}/a.wav"),
    ("draw", "a red circle", "-o", "{folder}/a.png"),
    ("embed", "one", "-o", "{folder}/a.txt"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(
    localai: Cli, gateway: FakeGateway, audio: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder = tmp_path / "missing"
    ended = localai(*(part.format(audio=audio, folder=folder) for part in command))

    assert (ended.code, gateway.calls) == (2, [])
    assert f"the folder {folder} does not exist" in ended.err


def test_a_folder_that_is_not_ones_own_is_refused(
    localai: Cli, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    ended = localai("embed", "one", "-o", str(tmp_path / "a.txt"))

    assert (ended.code, gateway.calls) == (2, [])
    assert f"the folder {tmp_path} is not writable" in ended.err


# --- say ---


@pytest.mark.parametrize(("name", "kind"), [("a.mp3", "mp3"), ("a.OGG", "opus"), ("a.pcm", "pcm")])
def test_say_writes_the_audio(
    localai: Cli, gateway: FakeGateway, tmp_path: Path, name: str, kind: str
) -> None:
    gateway.answer(*SPEECH, Answer(body=b"x" * 2048))
    path = tmp_path / name

    ended = localai("say", "Hello", "-o", str(path), "--voice", "nova", "--speed", "1.5")

    assert ended == (0, "", f"{path}: 2.0 kB\n")
    assert path.read_bytes() == b"x" * 2048
    assert gateway.calls[0].body == {
        "input": "Hello", "voice": "nova", "speed": 1.5, "response_format": kind,
    }  # fmt: skip


def test_say_takes_what_is_piped_in(
    localai: Cli, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answer(*SPEECH, Answer(body=b"x"))
    monkeypatch.setattr("sys.stdin", io.StringIO("piped"))

    assert localai("say", "-o", str(tmp_path / "a.wav")).code == 0
    assert gateway.calls[0].body["input"] == "piped"


def test_say_of_an_unknown_ending_names_the_known_ones(localai: Cli, tmp_path: Path) -> None:
    ended = localai("say", "Hello", "-o", str(tmp_path / "a.txt"))

    assert ended.code == 2
    assert ".mp3 .opus .ogg .aac .flac .wav .pcm" in ended.err


def test_a_speech_that_fails_leaves_no_file(
    localai: Cli, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.answer(*SPEECH, Answer(body=b"half", headers={"content-length": "100"}))

    ended = localai("say", "Hello", "-o", str(tmp_path / "a.wav"))

    assert ended.code == 1
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


# --- draw ---


def test_draw_writes_the_picture(localai: Cli, gateway: FakeGateway, tmp_path: Path) -> None:
    done = {"type": "image_generation.completed", "b64_json": base64.b64encode(b"png!").decode()}
    gateway.answer(*IMAGES, Answer(body=events("progress 1/2", "progress 2/2", done)))
    path = tmp_path / "a.png"

    ended = localai("draw", "a red circle", "-o", str(path), "--size", "64x64", "--seed", "7")

    assert ended == (0, "", f"{path}: 4 B\n")
    assert path.read_bytes() == b"png!"
    assert gateway.calls[0].body == {
        "prompt": "a red circle", "size": "64x64", "seed": 7, "output_format": "png",
        "stream": True,
    }  # fmt: skip


def test_a_picture_that_came_before_the_stream_broke_off_stays(
    localai: Cli, gateway: FakeGateway, tmp_path: Path
) -> None:
    done = {"type": "image_generation.completed", "b64_json": base64.b64encode(b"png!").decode()}
    gateway.answer(*IMAGES, Answer(body=events(done, end="")))

    ended = localai("draw", "a red circle", "-o", str(tmp_path / "a.png"))

    assert ended.code == 1
    assert "broke off" in ended.err
    assert (tmp_path / "a.png").read_bytes() == b"png!"


def test_an_answer_without_a_picture_is_an_error(
    localai: Cli, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.answer(*IMAGES, Answer(body=events()))

    ended = localai("draw", "a red circle", "-o", str(tmp_path / "a.png"))

    assert (ended.code, ended.err) == (1, "Error: The gateway sent no picture.\n")
    assert not (tmp_path / "a.png").exists()


def test_draw_of_an_unknown_ending_names_the_known_ones(localai: Cli, tmp_path: Path) -> None:
    ended = localai("draw", "a red circle", "-o", str(tmp_path / "a.gif"))

    assert ended.code == 2
    assert ".png .jpg .jpeg .webp" in ended.err


# --- embed ---


def test_embed_prints_a_vector_a_line(localai: Cli, gateway: FakeGateway) -> None:
    data = [{"index": 0, "embedding": [0.5, 0.25]}, {"index": 1, "embedding": [1.0, 0.0]}]
    gateway.answer_json(*EMBEDDINGS, {"data": data})

    ended = localai("embed", "one", "two", "--dimensions", "2")

    assert [json.loads(line) for line in ended.out.splitlines()] == [[0.5, 0.25], [1.0, 0.0]]
    assert gateway.calls[0].body == {
        "input": ["one", "two"], "dimensions": 2, "encoding_format": "float",
    }  # fmt: skip


def test_embed_asks_for_many_lines_in_parts(
    localai: Cli, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answer_json(*EMBEDDINGS, {"data": [{"index": 0, "embedding": [1.0]}]})
    monkeypatch.setattr("sys.stdin", io.StringIO("line\n\n" * 65))

    assert localai("embed").code == 0
    assert [len(call.body["input"]) for call in gateway.calls] == [64, 1]


def test_vectors_that_came_before_a_failure_are_written(
    localai: Cli, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [{"index": n, "embedding": [1.0]} for n in range(64)]
    good = Answer(body=json.dumps({"data": data}).encode())
    gateway.answer(*EMBEDDINGS, good, Answer(500, json.dumps(error("No more.")).encode()))
    monkeypatch.setattr("sys.stdin", io.StringIO("line\n" * 65))

    ended = localai("embed", "-o", str(tmp_path / "a.txt"))

    assert (ended.code, ended.err) == (1, "Error: No more.\n")
    assert (tmp_path / "a.txt").read_text() == "[1.0]\n" * 64


# --- chat with pictures ---


def test_chat_sends_pictures_before_the_question(
    localai: Cli, gateway: FakeGateway, tmp_path: Path
) -> None:
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(b"jpeg!")
    gateway.answer(*CHAT, Answer(body=sse("A cat.")))
    pictures = ["--image", str(picture), "--image", "https://example.com/dog.png"]

    assert localai("chat", "m", "What is this?", *pictures) == (0, "A cat.\n", "")
    data = f"data:image/jpeg;base64,{base64.b64encode(b'jpeg!').decode()}"
    assert gateway.calls[0].body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": data}},
        {"type": "image_url", "image_url": {"url": "https://example.com/dog.png"}},
        {"type": "text", "text": "What is this?"},
    ]


def test_chat_with_a_missing_picture_says_so(localai: Cli) -> None:
    ended = localai("chat", "m", "What is this?", "--image", "no-such.png")

    assert ended.code == 2
    assert "there is no picture no-such.png" in ended.err


# --- another model answers ---


def test_embed_says_that_another_model_s_vectors_come(localai: Cli, gateway: FakeGateway) -> None:
    body = json.dumps({"data": [{"embedding": [1.0]}]}).encode()
    gateway.answer(*EMBEDDINGS, Answer(body=body, headers={"x-localai-fallback-for": "big"}))

    ended = localai("embed", "--model", "big", *(["text"] * 65))
    assert len(ended.out.splitlines()) == 2
    assert ended.err.count("big is not here yet: its fallback answers") == 1
    assert "cannot be compared" in ended.err


def test_chat_says_that_another_model_answers(localai: Cli, gateway: FakeGateway) -> None:
    told = {"x-localai-fallback-for": "gpt-4"}
    gateway.answer(*CHAT, Answer(body=sse("Hello."), headers=told))

    ended = localai("chat", "gpt-4", "Hi")
    assert (ended.out, ended.err) == (
        "Hello.\n", "note: gpt-4 is not here yet: its fallback answers.\n",
    )  # fmt: skip
