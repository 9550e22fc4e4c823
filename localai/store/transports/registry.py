"""A registry's manifests and blobs over the OCI distribution protocol, with token logins.

`oras` reads the logins of docker and podman and takes apart the challenge. Its requests are not
used: they have no timeout, hand parsed JSON back where the digest is of the bytes, and send the
password to whatever address the challenge names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localai import __version__
from localai.store.credentials import registry_login
from localai.store.errors import AccessRefused, FetchFailed, NotInRegistry, UnreadableArtifact
from localai.store.partial import wrong_hash
from localai.store.references import DOCKER_HOST

if TYPE_CHECKING:
    import httpx2

_ACCEPTED = ", ".join((
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
))  # fmt: skip
_LARGEST = 4 << 20
_TIMEOUT = 30.0
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Repository:
    """One repository of a registry."""

    def __init__(self, host: str, name: str) -> None:
        self.host = host
        self.name = name
        self._base = f"{_address(host)}/v2/{name}"
        self._headers: dict[str, str] = {}

    def manifest(self, reference: str) -> tuple[dict[str, Any], str]:
        """Return the manifest of a tag or digest, and its digest.

        Raises NotInRegistry, AccessRefused, FetchFailed, and WrongFile for another digest.
        """
        content = self._get(f"{self._base}/manifests/{reference}", reference)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            raise wrong_hash(f"The manifest of {self.host}/{self.name}", digest, reference)
        return _json(content, f"{self.host}/{self.name}:{reference}"), digest

    def small_blob(self, digest: str) -> bytes:
        """Return a blob that is a config or a text, checked."""
        content = self._get(self.blob_url(digest), digest)
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if found != digest:
            raise wrong_hash(f"A blob of {self.host}/{self.name}", found, digest)
        return content

    def blob_url(self, digest: str) -> str:
        """Return where a blob is."""
        return f"{self._base}/blobs/{digest}"

    @property
    def headers(self) -> Mapping[str, str]:
        """What to send to the registry itself, after a manifest was asked for."""
        return dict(self._headers)

    def renew(self) -> Mapping[str, str]:
        """Return fresh headers: tokens of registries live for minutes only."""
        import httpx2

        with self._client() as client:
            self._headers = {}
            try:
                answer = client.get(f"{self._base}/tags/list?n=1", headers={})
                if answer.status_code == 401:
                    self._log_in(client, answer)
            except httpx2.HTTPError as error:
                raise FetchFailed(f"{self.host} cannot be asked: {error}.") from error
        return self.headers

    def _get(self, url: str, what: str) -> bytes:
        import httpx2

        try:
            with self._client() as client:
                answer = self._ask(client, url)
                if answer.status_code == 401:
                    self._log_in(client, answer)
                    answer = self._ask(client, url)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise FetchFailed(f"{self.host} cannot be asked for {self.name}: {reason}.") from error
        self._raise_for(answer, what)
        return answer.content

    def _client(self) -> httpx2.Client:
        import httpx2

        return httpx2.Client(timeout=_TIMEOUT, headers={"user-agent": f"localai/{__version__}"})

    def _ask(self, client: httpx2.Client, url: str) -> httpx2.Response:
        """Get a small answer; what is sent to the registry does not follow to another host."""
        import httpx2

        headers = {"accept": _ACCEPTED if "/manifests/" in url else "*/*"} | self._headers
        for _ in range(5):
            with client.stream("GET", url, headers=headers) as answer:
                if not answer.has_redirect_location:
                    return _limited(answer)
                target = httpx2.URL(url).join(answer.headers["location"])
            if target.netloc != httpx2.URL(url).netloc:
                headers.pop("authorization", None)
            url = str(target)
        raise FetchFailed(f"{self.host} redirects too often.")

    def _log_in(self, client: httpx2.Client, refusal: httpx2.Response) -> None:
        """Do what the challenge asks for: a password, or a token that is good for a time."""
        challenge = refusal.headers.get("www-authenticate", "")
        login = registry_login(self.host, self.name)
        if challenge.lower().startswith("basic"):
            self._headers = {"authorization": f"Basic {login}"} if login else {}
            return
        if challenge.lower().startswith("bearer"):
            token = self._token(client, challenge, login)
            self._headers = {"authorization": f"Bearer {token}"}

    def _token(self, client: httpx2.Client, challenge: str, login: str | None) -> str:
        from oras.auth.utils import parse_auth_header

        asked = parse_auth_header(challenge)
        realm = asked.realm or ""
        if not realm.startswith(("https://", "http://")):
            raise AccessRefused(f"{self.host} names no address for tokens: '{realm[:200]}'.")
        headers = {}
        if login and may_have_login(realm, self._base):
            headers["authorization"] = f"Basic {login}"
        asks = {"service": asked.service, "scope": asked.scope or f"repository:{self.name}:pull"}
        params = {name: value for name, value in asks.items() if value}
        answer = client.get(realm, params=params, headers=headers)
        body = _json(answer.content, realm) if answer.status_code == 200 else {}
        token = body.get("token") or body.get("access_token")
        if not isinstance(token, str):
            raise AccessRefused(
                f"{self.host} gives no token for {self.name} ({answer.status_code}): run "
                f"`podman login {self.host}` or `docker login {self.host}`, and check the name."
            )
        return token

    def _raise_for(self, answer: httpx2.Response, what: str) -> None:
        status, name = answer.status_code, f"{self.host}/{self.name}"
        if status == 200:
            return
        if status == 404:
            raise NotInRegistry(f"{name} has no '{what}': check the name and the tag.")
        if status in {401, 403}:
            raise AccessRefused(
                f"{name} is not for everybody, or does not exist ({status}): run "
                f"`podman login {self.host}` or `docker login {self.host}`."
            )
        raise FetchFailed(f"{self.host} answered {status} for {self.name}: try again later.")


def may_have_login(realm: str, registry: str) -> bool:
    """Tell whether the password may go to the address that a registry names for tokens.

    It may to the same host; over TLS also to a neighbour, as from registry-1.docker.io to
    auth.docker.io.
    """
    asked, own = urlsplit(realm), urlsplit(registry)
    if (asked.scheme, asked.netloc) == (own.scheme, own.netloc):
        return True
    if asked.scheme != "https" or not asked.hostname or not own.hostname:
        return False
    domain = ".".join(own.hostname.split(".")[-2:])
    return "." in domain and (asked.hostname == domain or asked.hostname.endswith(f".{domain}"))


def _address(host: str) -> str:
    if host == DOCKER_HOST:
        return "https://registry-1.docker.io"
    plain = host.startswith("[::1]") or host.partition(":")[0] in _LOOPBACK
    return f"{'http' if plain else 'https'}://{host}"


def _limited(answer: httpx2.Response) -> httpx2.Response:
    """Read an answer that must be small."""
    import httpx2

    content = bytearray()
    for part in answer.iter_bytes():
        content += part
        if len(content) > _LARGEST:
            raise UnreadableArtifact(f"{answer.url} is larger than a manifest or text may be.")
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"content-encoding", "content-length", "transfer-encoding"}
    }
    return httpx2.Response(answer.status_code, headers=headers, content=bytes(content))


def _json(content: bytes, source: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UnreadableArtifact(f"{source} did not answer with a JSON object.")
    return value
