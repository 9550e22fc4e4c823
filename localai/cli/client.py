"""What the client commands say to a running gateway, and how its errors come back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from localai.cli.addresses import UNIX, shown_url
from localai.cli.terminal import printable
from localai.errors import ConfigError, LocalAIError

if TYPE_CHECKING:
    import httpx2

DEFAULT_URL = "http://127.0.0.1:8080"
_SCHEMES = ("http://", "https://", UNIX)
_KEY_VARIABLES = ("LOCALAI_API_KEY", "OPENAI_API_KEY")
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class GatewayUnreachable(LocalAIError):
    """Nothing answers at the gateway's address."""


class GatewayRefused(LocalAIError):
    """The gateway answered with an error."""


@dataclass(frozen=True)
class StreamedEvent:
    """One event of a streamed answer."""

    data: dict[str, Any] = field(default_factory=dict)
    comment: str = ""


def url_option(command: _Decorated) -> _Decorated:
    """Add `--url`, the address of the gateway, to a command."""
    option = click.option(
        "--url",
        envvar="LOCALAI_URL",
        default=_default_url,
        show_default=DEFAULT_URL,
        show_envvar=True,
        help="Address of the running gateway; unix:///path for a socket",
    )
    return option(command)


def _default_url() -> str:
    """Return where the gateway's own settings put it: in its container both see the variables."""
    if path := os.environ.get("LOCALAI_SOCKET"):
        return f"{UNIX}{path}"
    host, port = os.environ.get("LOCALAI_HOST"), os.environ.get("LOCALAI_PORT", "")
    # Of port 0 nobody knows which one it became.
    known = int(port) if port.isdecimal() and int(port) > 0 else 8080
    return shown_url(host or "127.0.0.1", known)


class Gateway:
    """A running gateway, reached over HTTP."""

    def __init__(self, url: str, key: str | None = None) -> None:
        scheme, mark, rest = url.partition("://")
        url = f"{scheme.lower()}{mark}{rest}"
        if not url.startswith(_SCHEMES):
            raise ConfigError(f"'{url}' is no address of a gateway: write http://{url}")
        self.url = url if url.startswith(UNIX) else url.rstrip("/").removesuffix("/v1")
        self._key = key if key is not None else _key_of_environment()
        self._told: set[str] = set()

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object that the gateway answers to a GET."""
        return self._call("GET", path)

    def delete(self, path: str) -> dict[str, Any]:
        """Return the JSON object that the gateway answers to a DELETE."""
        return self._call("DELETE", path)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON object that the gateway answers to a POST."""
        return self._call("POST", path, json=body)

    def upload(self, path: str, fields: Mapping[str, str], file: Path) -> str:
        """Return the text that the gateway answers to a form with `file`."""
        with self._client() as client, file.open("rb") as content:
            response = client.post(path, data=fields, files={"file": (file.name, content)})
            self._check(response)
            return response.text

    def stream_bytes(self, path: str, body: Mapping[str, Any]) -> Generator[bytes, None, None]:
        """Yield the bytes of an answer as they come; raises GatewayRefused when it breaks off."""
        with self._client() as client, client.stream("POST", path, json=body) as response:
            self._check(response)
            yield from response.iter_bytes()

    def stream_events(
        self,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        fields: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> Generator[StreamedEvent, None, None]:
        """Yield the events of an answer to a JSON `body`, or to a form of `fields` and `file`.

        Raises GatewayRefused for an error event, and for a stream that ends before its end.
        """
        with self._client() as client, ExitStack() as opened:
            form = None
            if file is not None:
                form = {"file": (file.name, opened.enter_context(file.open("rb")))}
            with client.stream("POST", path, json=body, data=fields, files=form) as response:
                self._check(response)
                yield from read_events(response.iter_lines())

    def stream_chat(self, body: Mapping[str, Any]) -> Generator[str, None, None]:
        """Yield the answer's text piece by piece; closing the iterator stops the answer."""
        asked = {**body, "stream": True}
        with (
            self._client() as client,
            client.stream("POST", "/v1/chat/completions", json=asked) as response,
        ):
            self._check(response)
            yield from read_answer(response.iter_lines())

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        with self._client() as client:
            response = client.request(method, path, **content)
            self._check(response)
            answer = _json_object(response.text)
            if answer is None:
                raise GatewayRefused(f"{self.url} does not answer like a LocalAI gateway.")
            return answer

    def _check(self, response: httpx2.Response) -> None:
        """Raise GatewayRefused for an error; say once that another model answers than was asked.

        On stderr, as a script reads the answer itself.
        """
        _raise_for_error(response)
        meant = response.headers.get("x-localai-fallback-for")
        if meant is None or meant in self._told:
            return
        self._told.add(meant)
        # Two models' vectors mean different things, even where they are equally long.
        vectors = response.url.path.endswith("/embeddings")
        warning = ", and its vectors cannot be compared with those of the model" if vectors else ""
        click.echo(
            printable(f"note: {meant} is not here yet: its fallback answers{warning}."), err=True
        )

    @contextmanager
    def _client(self) -> Iterator[httpx2.Client]:
        import httpx2

        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        # A model may take minutes to load before its first word.
        timeout = httpx2.Timeout(None, connect=5)
        over_unix = self.url.startswith(UNIX)
        try:
            # The gateway is this machine's own: a proxy of the environment must not stand between.
            with httpx2.Client(
                base_url="http://localhost" if over_unix else self.url,
                transport=_unix_transport(self.url) if over_unix else None,
                headers=headers, timeout=timeout, trust_env=False,
            ) as client:  # fmt: skip
                yield client
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            reason = f" ({error})" if over_unix else ""  # it may be there, and for others
            raise GatewayUnreachable(
                f"No gateway answers at {self.url}{reason}: start one with `localai run`, "
                "or name another with --url."
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise GatewayUnreachable(f"The call to {self.url} failed: {reason}.") from error


def _unix_transport(url: str) -> httpx2.HTTPTransport:
    import httpx2

    return httpx2.HTTPTransport(uds=str(Path(url.removeprefix(UNIX)).expanduser()))


def model_path(name: str) -> str:
    """Return `name` as a part of a URL's path, with its slashes and colons escaped."""
    return quote(name, safe="")


def read_answer(lines: Iterable[str]) -> Iterator[str]:
    """Yield the text of a streamed chat answer.

    Raises GatewayRefused for an error frame, and for a stream that ends before its end.
    """
    for event in read_events(lines):
        choices = event.data.get("choices") or [{}]
        if text := (choices[0].get("delta") or {}).get("content"):
            yield str(text)


def read_events(lines: Iterable[str]) -> Iterator[StreamedEvent]:
    """Yield the events of a stream; a comment is an event without data.

    Raises GatewayRefused for an error event, and for a stream that ends before its end.
    """
    for line in lines:
        if line.startswith(":"):
            yield StreamedEvent(comment=line[1:].strip())
        elif line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            yield StreamedEvent(_data_of_frame(data))
    raise GatewayRefused("The answer broke off: the gateway or the model ended.")


def _data_of_frame(data: str) -> dict[str, Any]:
    frame = _json_object(data)
    if frame is None:
        raise GatewayRefused(f"The gateway sent a frame that is no JSON object: {data[:80]}")
    if "error" in frame:
        raise GatewayRefused(_error_message(frame) or "The gateway reported an error.")
    return frame


def _raise_for_error(response: httpx2.Response) -> None:
    if response.status_code < 400:
        return
    text = response.read().decode("utf-8", "replace")
    message = _error_message(_json_object(text) or {})
    raise GatewayRefused(message or f"The gateway answered {response.status_code}: {text[:200]}")


def _error_message(answer: Mapping[str, Any]) -> str | None:
    error = answer.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) and message else None


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _key_of_environment() -> str | None:
    return next((os.environ[name] for name in _KEY_VARIABLES if os.environ.get(name)), None)
