"""Transcription and translation on the wire: every format, every way to send a file, every refusal.

The echo backend hears the words of the prompt, half a second each.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent

from tests.e2e.sdk import strict
from tests.echo_gateway import echo_gateway
from tests.gateways import DEADLINE, RunningGateway, eventually
from tests.openai_spec import CheckedTransport

# OpenAI has deprecated its translations; programs still call them.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
SOUND = ("a.wav", b"RIFF, but echo does not mind\0\xff")
SAID = "one two three"
PATHS = ["/v1/audio/transcriptions", "/audio/transcriptions"]


@pytest.fixture(autouse=True)
def loaded(client: openai.OpenAI) -> None:
    client.audio.transcriptions.create(model="echo", file=SOUND)


def spooled(gateway: RunningGateway) -> list[Path]:
    """Return the files of calls that the gateway keeps at the moment."""
    return [path for path in (gateway.models.parent / "spool").rglob("*") if path.name.isdigit()]


@pytest.fixture(scope="module")
def spooling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway whose uploads go where the test can see them, 2 MiB at most."""
    folder = tmp_path_factory.mktemp("spooling")
    (folder / "spool").mkdir()
    with echo_gateway(folder, spool_dir=folder / "spool", max_upload_mib=2) as gateway:
        yield gateway
    assert list((folder / "spool").iterdir()) == []


def post(gateway: RunningGateway, path: str = PATHS[0], **fields: Any) -> httpx2.Response:
    return gateway.http.post(path, files={"file": SOUND}, data={"model": "echo", **fields})


def refused(response: httpx2.Response) -> tuple[int, str | None]:
    error = response.json()["error"]
    assert error["message"]
    return response.status_code, error["param"]


def test_json_is_the_default(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="echo", file=SOUND, prompt=SAID)
    assert strict(answer).text == SAID
    assert answer.usage is not None
    assert answer.usage.to_dict() == {"type": "duration", "seconds": 2}


def test_verbose_json_has_words_and_segments(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        model="echo", file=SOUND, prompt=SAID, response_format="verbose_json",
        timestamp_granularities=["word", "segment"], language="en",
    )  # fmt: skip
    assert (strict(answer).language, answer.duration) == ("english", 1.5)
    assert [(w.word, w.start, w.end) for w in answer.words or []] == [
        ("one", 0.0, 0.5), ("two", 0.5, 1.0), ("three", 1.0, 1.5),
    ]  # fmt: skip
    assert [segment.text for segment in answer.segments or []] == [" one", " two", " three"]


def test_words_alone_leave_the_segments_out(client: openai.OpenAI) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model="echo", file=SOUND, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert "segments" not in raw.http_response.json()
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"]


def test_text_and_subtitles_are_plain_text(client: openai.OpenAI) -> None:
    audio = client.audio.transcriptions
    raw = audio.with_raw_response.create(
        model="echo", file=SOUND, prompt=SAID, response_format="text"
    )
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert raw.parse() == f"{SAID}\n"
    srt = audio.create(model="echo", file=SOUND, prompt="one", response_format="srt")
    assert srt == "1\n00:00:00,000 --> 00:00:00,500\none\n\n"
    vtt = audio.create(model="echo", file=SOUND, prompt="one", response_format="vtt")
    assert vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\none\n\n"


def test_stream_is_deltas_and_the_whole(client: openai.OpenAI) -> None:
    stream = client.audio.transcriptions.create(
        model="echo", file=SOUND, prompt=SAID, stream=True, include=["logprobs"]
    )
    *deltas, done = [strict(event) for event in stream]
    assert isinstance(done, TranscriptionTextDoneEvent)
    texts = [event.delta for event in deltas if isinstance(event, TranscriptionTextDeltaEvent)]
    assert texts == ["one", " two", " three"]
    assert done.text == SAID
    assert done.usage is not None
    assert done.usage.total_tokens == 9
    assert [entry.token for entry in done.logprobs or []] == [" one", " two", " three"]


def test_logprobs_come_with_the_json(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        model="echo", file=SOUND, prompt=SAID, include=["logprobs"]
    )
    assert [entry.token for entry in answer.logprobs or []] == [" one", " two", " three"]


async def test_all_of_it_works_awaited(async_client: openai.AsyncOpenAI) -> None:
    audio = async_client.audio.transcriptions
    answer = await audio.create(model="echo", file=SOUND, prompt=SAID)
    assert strict(answer).text == SAID
    stream = await audio.create(model="echo", file=SOUND, prompt=SAID, stream=True)
    assert [event.type async for event in stream][-1] == "transcript.text.done"
    translated = await async_client.audio.translations.create(
        model="echo", file=SOUND, prompt=SAID, response_format="verbose_json"
    )
    assert (translated.language, translated.text) == ("english", SAID)


def test_translation_in_every_format(client: openai.OpenAI) -> None:
    audio = client.audio.translations
    assert strict(audio.create(model="echo", file=SOUND, prompt=SAID)).text == SAID
    verbose = audio.create(model="echo", file=SOUND, prompt=SAID, response_format="verbose_json")
    assert (strict(verbose).language, verbose.duration) == ("english", 1.5)
    assert audio.create(model="echo", file=SOUND, prompt=SAID, response_format="text") == (
        f"{SAID}\n"
    )
    srt = audio.create(model="echo", file=SOUND, prompt=SAID, response_format="srt")
    assert str(srt).startswith("1\n00:00:00,000")


@pytest.mark.parametrize(
    "file",
    [
        io.BytesIO(b"said in a file"),
        b"said in a file",
        ("", b"said in a file"),
        ("x.mp3", b"said in a file", "text/plain"),
    ],
)
def test_file_is_heard_however_it_is_named(client: openai.OpenAI, file: Any) -> None:
    answer = client.audio.transcriptions.create(model="echo", file=file)
    assert answer.text == "said in a file"


def test_path_is_sent_as_a_file(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "speech"
    path.write_text("said in a path")
    assert client.audio.transcriptions.create(model="echo", file=path).text == "said in a path"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", ["file first", "file last"])
def test_curl_sends_parts_in_any_order(
    gateway: RunningGateway, tmp_path: Path, path: str, order: str
) -> None:
    audio = tmp_path / "a.ogg"
    audio.write_bytes(SOUND[1])
    parts = ["-F", f"file=@{audio}", "-F", "model=echo", "-F", f"prompt={SAID}"]
    if order == "file last":
        parts = [*parts[2:], *parts[:2]]
    command = ["curl", "-sS", "-F", "timestamp_granularities[]=word", *parts]
    command += ["-F", "response_format=verbose_json", gateway.url + path]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert [word["word"] for word in json.loads(ran.stdout)["words"]] == SAID.split()


def test_file_without_any_head_is_taken(gateway: RunningGateway) -> None:
    body = (
        b'--e\r\nContent-Disposition: form-data; name="file"\r\n\r\nplain words\r\n'
        b'--e\r\nContent-Disposition: form-data; name="model"\r\n\r\necho\r\n--e--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=e"}
    answer = gateway.http.post(PATHS[0], content=body, headers=headers)
    assert answer.json()["text"] == "plain words"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "docx"}, "response_format"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities"),
        ({"response_format": "text", "include[]": "logprobs"}, "include"),
        ({"response_format": "vtt", "stream": "true"}, "stream"),
        ({"temperature": "1.5"}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"stream": "perhaps"}, "stream"),
        ({"chunking_strategy": "loud"}, "chunking_strategy"),
        ({"chunking_strategy": '{"type": "server_vad", "threshold": 2}'},
         "chunking_strategy.threshold"),
        ({"chunking_strategy[threshold]": "0.5"}, "chunking_strategy.type"),
        ({"known_speaker_names[]": "me"}, "known_speaker_names"),
        ({"model": "starter-chat"}, "model"),
        ({"model": ["echo", "narrow"]}, "model"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused(
    gateway: RunningGateway, fields: dict[str, Any], param: str
) -> None:
    assert refused(post(gateway, **fields)) == (400, param)


@pytest.mark.parametrize("strategy", ["auto", '{"type": "server_vad", "threshold": 0.4}'])
def test_chunking_is_taken_as_a_word_or_an_object(gateway: RunningGateway, strategy: str) -> None:
    assert post(gateway, chunking_strategy=strategy).status_code == 200
    asked = {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.4"}
    assert post(gateway, **asked).status_code == 200


def test_field_that_nobody_knows_is_named(gateway: RunningGateway) -> None:
    answer = post(gateway, mood="good")
    assert answer.status_code == 200
    assert answer.headers["x-localai-ignored"] == "mood"


def test_missing_empty_and_wrong_parts_are_refused(gateway: RunningGateway) -> None:
    def send(files: Any, **fields: str) -> tuple[int, str | None]:
        return refused(gateway.http.post(PATHS[0], files=files, data=fields))

    assert send({"other": SOUND}) == (400, "file")
    assert send({"file": ("a.wav", b"")}) == (400, "file")
    assert send([("file", SOUND), ("file", SOUND)]) == (400, "file")
    assert send({"file": SOUND, "model": ("m.txt", b"echo")}) == (400, "model")
    assert gateway.http.post(PATHS[0], json={"file": "x"}).status_code == 400
    unknown = gateway.http.post(PATHS[0], files={"file": SOUND}, data={"model": "nobody"})
    assert refused(unknown) == (404, "model")


def test_path_in_a_text_field_opens_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret words")
    form = {"file": (None, str(secret)), "model": (None, "echo")}
    answer = gateway.http.post(PATHS[0], files=form)
    assert answer.json()["text"] == str(secret)


def test_too_large_is_413_before_it_is_read(spooling: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", spooling.port), DEADLINE) as caller:
        caller.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n"
            b"content-type: multipart/form-data; boundary=e\r\n\r\n--e\r\n"
        )
        assert b" 413 " in caller.recv(4096).partition(b"\r\n")[0]
    large = {"file": ("a.wav", b"x" * 3_000_000)}
    answer = spooling.http.post(PATHS[0], files=large)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert spooled(spooling) == []


def test_size_that_nobody_declares_is_413_on_the_way(spooling: RunningGateway) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--e\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        for _ in range(40):
            yield b"x" * 100_000

    answer = spooling.http.post(
        PATHS[0], content=endless(), headers={"content-type": "multipart/form-data; boundary=e"}
    )
    assert answer.status_code == 413
    assert spooled(spooling) == []


def test_files_go_when_the_call_is_over(spooling: RunningGateway) -> None:
    assert post(spooling, prompt=SAID).json()["text"] == SAID
    assert post(spooling, model="nobody").status_code == 404
    assert post(spooling, prompt="[[fail=before]]").status_code == 500
    eventually(lambda: spooled(spooling) == [])


def test_leaving_in_the_middle_of_the_upload_leaves_nothing(spooling: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", spooling.port), DEADLINE) as caller:
        caller.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n"
            b"content-type: multipart/form-data; boundary=e\r\n\r\n"
            b'--e\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + b"x" * 100_000
        )
        eventually(lambda: spooled(spooling))
    eventually(lambda: spooled(spooling) == [])


@pytest.mark.parametrize("stream", [False, True])
def test_giving_up_frees_the_worker_and_the_file(spooling: RunningGateway, stream: bool) -> None:
    def running() -> float:
        return spooling.worker_metric("echo", "sequences_running")

    assert post(spooling).status_code == 200
    cancelled = spooling.worker_metric("echo", "cancelled_total")
    with openai.OpenAI(base_url=f"{spooling.url}/v1", api_key="none", max_retries=0) as client:
        hasty = client.with_options(timeout=2)
        with pytest.raises(openai.APITimeoutError):
            hasty.audio.transcriptions.create(
                model="echo", file=SOUND, prompt=f"[[delay=600]] {SAID}", stream=stream
            )
    eventually(lambda: running() == 0)
    assert spooling.worker_metric("echo", "cancelled_total") == cancelled + 1
    eventually(lambda: spooled(spooling) == [])


def test_closing_a_stream_frees_the_worker(gateway: RunningGateway, client: openai.OpenAI) -> None:
    stream = client.audio.transcriptions.create(
        model="echo", file=SOUND, prompt="[[slow=0.05]] [[words=20000]] word", stream=True
    )
    assert next(iter(stream)).type == "transcript.text.delta"
    assert gateway.worker_metric("echo", "sequences_running") == 1
    stream.response.close()
    eventually(lambda: gateway.worker_metric("echo", "sequences_running") == 0)


def test_failure_in_the_middle_ends_the_stream_with_an_error(gateway: RunningGateway) -> None:
    answer = post(gateway, stream="true", prompt=f"{SAID} four [[fail=mid]]")
    *deltas, last = [f[6:] for f in answer.text.split("\n\n") if f]
    assert len(deltas) == 3
    assert json.loads(last)["error"]["code"] == "echo_fail_mid"


async def test_calls_at_once_do_not_mix(async_client: openai.AsyncOpenAI) -> None:
    async def call(number: int) -> str:
        answer = await async_client.audio.transcriptions.create(
            model="echo", file=f"file number {number}".encode()
        )
        return answer.text

    answers = await asyncio.gather(*(call(number) for number in range(8)))
    assert answers == [f"file number {number}" for number in range(8)]


def test_speech_is_found_by_either_path(gateway: RunningGateway) -> None:
    audio = [0.0] * 1600 + [0.5, -0.5] * 800 + [0.0] * 800
    for path in ("/v1/vad", "/vad"):
        answer = gateway.http.post(path, json={"model": "echo", "audio": audio})
        assert answer.json() == {"segments": [{"start": 0.1, "end": 0.2}]}
    empty = gateway.http.post("/v1/vad", json={"model": "echo", "audio": []})
    assert empty.json() == {"segments": []}


@pytest.mark.parametrize("audio", ["abc", [1, "x"], None, {"a": 1}])
def test_what_is_no_audio_is_refused(gateway: RunningGateway, audio: Any) -> None:
    answer = gateway.http.post("/v1/vad", json={"model": "echo", "audio": audio})
    assert refused(answer)[0] == 400
    assert str(refused(answer)[1]).startswith("audio")


def test_client_that_checks_nothing_still_gets_answers(gateway: RunningGateway) -> None:
    http: Callable[..., httpx2.Client] = httpx2.Client
    with http(transport=CheckedTransport(), base_url=gateway.url) as client:
        answer = client.post(PATHS[0], files={"file": SOUND}, data={"model": "echo"})
    assert answer.json()["text"] == "echo"
