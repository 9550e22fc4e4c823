"""Holds answers against OpenAI's own specification, where its file is at hand.

The specification is written for OpenAPI 3.1, but still says `nullable: true` as in 3.0; a validator
of today's JSON Schema would then refuse every null that it means to allow.
"""

from __future__ import annotations

import array
import base64
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema  # type: ignore[import-untyped]
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPECIFICATION = Path(__file__).parents[1].parent / "shared" / "data" / "openai-openapi.yaml"
MISSING = f"there is no {SPECIFICATION.name} beside the repository"
_PREFIX = "#/components/schemas/"
_URI = "urn:openai"
_ROOTS = (
    "CreateTranscriptionResponseJson",
    "CreateTranscriptionResponseVerboseJson",
    "CreateTranscriptionResponseStreamEvent",
    "CreateTranslationResponseJson",
    "CreateTranslationResponseVerboseJson",
    "CreateChatCompletionResponse",
    "CreateChatCompletionStreamResponse",
    "CreateCompletionResponse",
    "CreateEmbeddingResponse",
    "CreateSpeechResponseStreamEvent",
    "ErrorResponse",
    "ImageEditStreamEvent",
    "ImageGenStreamEvent",
    "ImagesResponse",
    "ListModelsResponse",
    "Model",
)
_WHOLE = {
    ("POST", "audio/transcriptions"): "CreateTranscriptionResponseJson",
    ("POST", "audio/translations"): "CreateTranslationResponseJson",
    ("POST", "chat/completions"): "CreateChatCompletionResponse",
    ("POST", "completions"): "CreateCompletionResponse",
    ("POST", "embeddings"): "CreateEmbeddingResponse",
    ("POST", "images/edits"): "ImagesResponse",
    ("POST", "images/generations"): "ImagesResponse",
    ("POST", "images/variations"): "ImagesResponse",
    ("GET", "models"): "ListModelsResponse",
}
_VERBOSE = {
    "CreateTranscriptionResponseJson": "CreateTranscriptionResponseVerboseJson",
    "CreateTranslationResponseJson": "CreateTranslationResponseVerboseJson",
}
"""What an answer has to be that tells how long the audio is."""
_CHUNKS = {
    "audio/transcriptions": "CreateTranscriptionResponseStreamEvent",
    "audio/translations": "CreateTranscriptionResponseStreamEvent",
    "chat/completions": "CreateChatCompletionStreamResponse",
    "completions": "CompletionChunk",
    "images/edits": "ImageEditStreamEvent",
    "images/generations": "ImageGenStreamEvent",
    "audio/speech": "CreateSpeechResponseStreamEvent",
}


def is_here() -> bool:
    """Tell whether the specification can be read."""
    return SPECIFICATION.exists()


def check(name: str, body: object) -> None:
    """Hold `body` against the schema called `name`; fails with the path of what is wrong."""
    validator = _validators()[name]
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
    assert not errors, f"{name}: " + "; ".join(errors)


def check_answer(request: httpx2.Request, status: int, content: bytes) -> None:
    """Hold the JSON answer to `request` against its schema."""
    path, body = _path(request), json.loads(content)
    if status >= 400:
        name = "ErrorResponse"
    elif path.startswith("models/"):
        name = "Model"
    else:
        name = _WHOLE[request.method, path]
        if name == "CreateEmbeddingResponse":
            body = _with_plain_vectors(body)
    check(_VERBOSE.get(name, name) if "duration" in body else name, body)


def _with_plain_vectors(body: dict[str, Any]) -> dict[str, Any]:
    """Decode base64, which the official client asks for and the specification does not know."""
    return body | {"data": [one | {"embedding": _numbers(one)} for one in body["data"]]}


def _numbers(entry: dict[str, Any]) -> list[float]:
    vector = entry["embedding"]
    return (
        array.array("f", base64.b64decode(vector)).tolist() if isinstance(vector, str) else vector
    )


class FrameChecker:
    """Holds each frame of a stream against its schema as the stream passes by."""

    def __init__(self, request: httpx2.Request) -> None:
        self._name = _CHUNKS[_path(request)]
        self._rest = b""
        self.checked = 0

    def feed(self, data: bytes) -> None:
        """Check all the frames that are complete now."""
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            payload = frame.rpartition(b"\n")[2].removeprefix(b"data: ")
            if payload != b"[DONE]" and not frame.startswith(b":"):
                self._check_payload(json.loads(payload))

    def _check_payload(self, payload: Mapping[str, Any]) -> None:
        check("ErrorResponse" if "error" in payload else self._name, payload)
        self.checked += 1


def _path(request: httpx2.Request) -> str:
    return str(request.url.raw_path.decode()).partition("?")[0].removeprefix("/v1/")


@cache
def _validators() -> dict[str, Any]:
    with SPECIFICATION.open("rb") as file:
        document = yaml.load(file, Loader=yaml.CSafeLoader)
    schemas = _reachable(document["components"]["schemas"])
    # The schema of a completion is written for the whole answer; a chunk has no reason yet.
    chunk = json.loads(json.dumps(schemas["CreateCompletionResponse"]))
    chunk["properties"]["usage"] = _or_null(chunk["properties"]["usage"])
    reasons = chunk["properties"]["choices"]["items"]["properties"]
    reasons["finish_reason"] = _or_null(reasons["finish_reason"])
    schemas["CompletionChunk"] = chunk
    # Models here draw at other sizes too than the three of OpenAI's.
    for kind, moment in itertools.product(("Gen", "Edit"), ("PartialImage", "Completed")):
        schemas[f"Image{kind}{moment}Event"]["properties"]["size"] = {"type": "string"}
    resource = Resource.from_contents({"components": {"schemas": schemas}}, DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, resource)
    return {
        name: jsonschema.Draft202012Validator({"$ref": f"{_URI}{_PREFIX}{name}"}, registry=registry)
        for name in (*_ROOTS, "CompletionChunk")
    }


def _reachable(schemas: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pending = list(_ROOTS)
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = _with_nulls(schemas[name])
            pending += _references(found[name])
    return found


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference.removeprefix(_PREFIX)
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _references(child)


def _with_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_nulls(child) for child in node]
    if not isinstance(node, dict):
        return node
    rest = {key: _with_nulls(child) for key, child in node.items() if key != "nullable"}
    return _or_null(rest) if node.get("nullable") is True else rest


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


class CheckedTransport(httpx2.HTTPTransport):
    """Sends calls as usual and checks every answer against the specification."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if is_here():
            if _is_stream(response):
                assert isinstance(response.stream, httpx2.SyncByteStream)
                response.stream = _CheckedStream(response.stream, FrameChecker(request))
            elif _is_json(response):
                check_answer(request, response.status_code, response.read())
        return response


class AsyncCheckedTransport(httpx2.AsyncHTTPTransport):
    """Does the same for calls that are awaited."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if is_here():
            if _is_stream(response):
                assert isinstance(response.stream, httpx2.AsyncByteStream)
                response.stream = _AsyncCheckedStream(response.stream, FrameChecker(request))
            elif _is_json(response):
                check_answer(request, response.status_code, await response.aread())
        return response


class _CheckedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, checker: FrameChecker) -> None:
        self._stream = stream
        self._checker = checker

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._checker.feed(data)
            yield data

    def close(self) -> None:
        self._stream.close()


class _AsyncCheckedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, checker: FrameChecker) -> None:
        self._stream = stream
        self._checker = checker

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._checker.feed(data)
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_stream(response: httpx2.Response) -> bool:
    return response.headers["content-type"].startswith("text/event-stream")


def _is_json(response: httpx2.Response) -> bool:
    return response.headers["content-type"].startswith("application/json")
