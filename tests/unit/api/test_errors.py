from __future__ import annotations

import inspect
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from localai import errors
from localai.errors import (
    BackendError,
    CapacityError,
    CardError,
    ConfigError,
    ContextLengthExceeded,
    LoadFailed,
    LocalAIError,
    QueueFull,
    RequestError,
    WorkerCrashed,
    nearest,
)
from localai.protocol.asgi import error_response

_DRAWN = re.compile(r"^((?:[│ ]   )*)[├└]── (\w+) +(\d{3})?", re.MULTILINE)


def all_errors() -> list[type[LocalAIError]]:
    classes = vars(errors).values()
    return [c for c in classes if inspect.isclass(c) and issubclass(c, LocalAIError)]


CONCRETE = sorted(
    (cls for cls in all_errors() if cls.default_code is not None), key=lambda cls: cls.__name__
)
SDK_CLASSES: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    405: openai.APIStatusError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
}


def example(cls: type[LocalAIError], **fields: Any) -> LocalAIError:
    if cls is ContextLengthExceeded:
        return ContextLengthExceeded(100, 50)
    if cls is CardError:
        return CardError("wrong", path="a.yaml", line=3)
    return cls("wrong", **fields)


def drawn_tree() -> Iterator[tuple[str, str, str | None]]:
    """Yield name, parent and status of each line of the tree in the module's docstring."""
    path = ["LocalAIError"]
    for indent, name, status in _DRAWN.findall(errors.__doc__ or ""):
        level = len(indent) // 4 + 1
        yield name, path[level - 1], status or None
        path[level:] = [name]


def test_the_drawn_tree_is_the_true_one() -> None:
    drawn = {name: parent for name, parent, _ in drawn_tree()}
    true = {cls.__name__: cls.__base__.__name__ for cls in all_errors() if cls.__base__}
    del true["LocalAIError"]
    assert drawn == true


def test_the_drawn_statuses_are_the_true_ones() -> None:
    drawn = {name: int(status) for name, _, status in drawn_tree() if status}
    true = {cls.__name__: cls.status for cls in all_errors()}
    assert drawn == {name: true[name] for name in drawn}
    concrete = {cls.__name__ for cls in CONCRETE} - {"CardError", "ConfigError"}
    assert set(drawn) == concrete


@pytest.mark.parametrize("cls", all_errors())
def test_every_error_has_a_status_and_a_type(cls: type[LocalAIError]) -> None:
    assert cls.status in SDK_CLASSES
    assert cls.type in {"invalid_request_error", "rate_limit_error", "server_error"}
    assert (cls.status < 500) == (cls.type != "server_error")


@pytest.mark.parametrize("cls", all_errors())
def test_every_error_is_of_one_family(cls: type[LocalAIError]) -> None:
    families = (RequestError, CapacityError, BackendError, CardError, ConfigError)
    assert cls is LocalAIError or len([f for f in families if issubclass(cls, f)]) == 1
    if issubclass(cls, RequestError):
        assert 400 <= cls.status < 500
    if issubclass(cls, CapacityError):
        assert cls.retryable


def test_codes_are_unique_and_in_snake_case() -> None:
    codes = [cls.default_code for cls in all_errors() if cls.default_code is not None]
    assert len(codes) == len(set(codes)) == len(CONCRETE)
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)


@pytest.mark.parametrize("cls", CONCRETE)
def test_the_envelope_has_openais_four_fields(cls: type[LocalAIError]) -> None:
    error = example(cls)
    envelope = error.envelope()["error"]
    assert {"message", "type", "param", "code"} <= set(envelope)
    assert envelope["code"] == cls.default_code
    assert envelope["message"] == str(error) != ""


def test_details_stand_beside_the_four_fields() -> None:
    assert LoadFailed("x", details={"phase": "load"}).envelope()["error"]["phase"] == "load"
    error = ContextLengthExceeded(100, 50, param="prompt").envelope()["error"]
    assert (error["n_prompt_tokens"], error["n_ctx"], error["param"]) == (100, 50, "prompt")
    assert "50 tokens, but 'prompt' has 100" in error["message"]


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (QueueFull("x", retry_after=2.6), {"retry-after": "3"}),
        (QueueFull("x", retry_after=0.1), {"retry-after": "1"}),
        (LoadFailed("x"), {"x-should-retry": "false"}),
        (LoadFailed("x", retry_after=5), {"retry-after": "5", "x-should-retry": "false"}),
        (WorkerCrashed("x"), {}),
        (RequestError("x"), {}),
    ],
)
def test_headers_say_whether_to_try_again(error: LocalAIError, headers: dict[str, str]) -> None:
    assert error.headers() == headers


def seen_by_the_sdk(error: LocalAIError) -> tuple[openai.APIStatusError, int]:
    """Return what the SDK raises when it is answered `error`, and how often it asked."""
    asked: list[httpx2.Request] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        answer = error_response(error)
        headers = dict(answer.headers)
        return httpx2.Response(answer.status_code, headers=headers, content=bytes(answer.body))

    http = httpx2.Client(transport=httpx2.MockTransport(refuse))
    client = openai.OpenAI(api_key="x", base_url="http://app/v1", http_client=http)
    with client, pytest.raises(openai.APIStatusError) as caught:
        client.models.list()
    return caught.value, len(asked)


@pytest.mark.parametrize("cls", CONCRETE)
def test_the_sdk_raises_the_class_of_the_status(
    cls: type[LocalAIError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    error = example(cls)
    raised, asked = seen_by_the_sdk(error)
    assert type(raised) is SDK_CLASSES[cls.status]
    assert (raised.code, raised.param, raised.type) == (error.code, error.param, error.type)
    assert error.message in raised.message
    is_tried_again = cls.retryable or cls.status == 429
    assert asked == (3 if is_tried_again else 1)


def test_a_card_error_starts_with_file_and_line() -> None:
    assert str(CardError("wrong key", path="a.yaml", line=3)) == "a.yaml:3: wrong key"
    assert str(CardError("empty", path="a.yaml")) == "a.yaml: empty"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("qwen3-4", " Did you mean 'qwen3-4b'?"),
        ("zzz", ""),
        ("llama", " Did you mean 'llama-1' or 'llama-2' or 'llama-3'?"),
    ],
)
def test_near_names_are_offered(name: str, hint: str) -> None:
    known = ["qwen3-4b", "llama-1", "llama-2", "llama-3", "llama-4xxxx"]
    assert set(re.findall("'.*?'", nearest(name, known))) == set(re.findall("'.*?'", hint))
    assert nearest(name, known).startswith(hint[:14])
