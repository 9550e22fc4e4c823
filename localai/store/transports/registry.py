"""A registry's manifests and blobs over the OCI distribution protocol, with token logins.

`oras` reads the logins of docker and podman and takes apart the challenge. Its requests are not
used: they have no timeout, hand parsed JSON back where the digest is of the bytes, and send the
password to whatever address the challenge names.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localai import __version__
from localai.network.asking import TooLarge, ask_patiently, asked_to_wait, whole
from localai.network.failures import CHECK_THE_NETWORK, reason_of
from localai.network.reach import ANYWHERE, Reach
from localai.network.tls import Certificates, is_distrust, tls_failure
from localai.references import DOCKER_HOST
from localai.store.credentials import registry_login
from localai.store.errors import (
    AccessRefused,
    Distrusted,
    FetchFailed,
    NotInRegistry,
    Unreachable,
    UnreadableArtifact,
    not_as_asked,
    wrong_hash,
)
from localai.store.insecure_registries import is_insecure
from localai.store.registry_certificates import certificates_of, folders_of

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
_PROBE = 10.0
"""Seconds in which TLS answers, where it is not sure that there is any."""
_FOR_ALL = re.compile(r"(?:ac|co|com|edu|gov|net|or|org)\.[a-z]{2}")
"""Domains like co.uk, below which anybody may register a name."""
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Repository:
    """One repository of a registry, asked within `reach`: for its tokens and blobs too.

    The authorities of its `certificates` count for all of that, as for podman; the rest of them
    for the registry itself alone.
    Once `cancel` is set it is asked no more, except for fresh headers.
    """

    def __init__(
        self,
        host: str,
        name: str,
        reach: Reach = ANYWHERE,
        cancel: threading.Event | None = None,
    ) -> None:
        self.host = host
        self.name = name
        self._reach = reach
        self._cancel = cancel
        address, self.certificates = _way_to(host, name, reach)
        self._base = f"{address}/v2/{name}"
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
        self._headers = {}
        self._cancel = None  # others may share the download, who still want it
        with self._asking() as client:
            answer = self._ask(client, f"{self._base}/tags/list?n=1")
            if answer.status_code == 401:
                self._log_in(client, answer)
        return self.headers

    def _get(self, url: str, what: str) -> bytes:
        with self._asking() as client:
            answer = self._ask(client, url)
            if answer.status_code == 401:
                self._log_in(client, answer)
                answer = self._ask(client, url)
        self._raise_for(answer, what)
        return answer.content

    @contextmanager
    def _asking(self) -> Iterator[httpx2.Client]:
        """Give a client, and say what its errors mean."""
        import httpx2

        from localai.network.clients import client

        headers = {"user-agent": f"localai/{__version__}"}
        try:
            with client(self._reach, self.certificates, timeout=_TIMEOUT, headers=headers) as made:
                yield made
        except httpx2.HTTPError as error:
            said = f"{self.host} cannot be asked for {self.name}: {reason_of(error)}."
            if is_distrust(error):
                raise Distrusted(said, advice=_trusting(self.host)) from error
            if tls_failure(error) is not None:
                raise FetchFailed(said, advice=_without_tls(self.host)) from error
            if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise Unreachable(said, host=self.host, advice=CHECK_THE_NETWORK) from error
            raise FetchFailed(said, advice=CHECK_THE_NETWORK) from error

    def _ask(self, client: httpx2.Client, url: str) -> httpx2.Response:
        return ask_patiently(lambda: self._ask_once(client, url), cancel=self._cancel)

    def _ask_once(self, client: httpx2.Client, url: str) -> httpx2.Response:
        """Get a small answer; what is sent to the registry does not follow to another host."""
        import httpx2

        headers = {"accept": _ACCEPTED if "/manifests/" in url else "*/*"} | self._headers
        for _ in range(5):
            with client.stream("GET", url, headers=headers) as answer:
                if not answer.has_redirect_location:
                    return _limited(answer, url)
                target = httpx2.URL(url).join(answer.headers["location"])
            before = httpx2.URL(url)
            if before.scheme == "https" and target.scheme != "https":
                raise FetchFailed(f"{self.host} leads from https to http: this is refused.")
            if (target.scheme, target.netloc) != (before.scheme, before.netloc):
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
        if self._base.startswith("https:") and not realm.startswith("https:"):
            raise AccessRefused(f"{self.host} gives its tokens over clear text: this is refused.")
        headers = {}
        if login and may_have_login(realm, self._base):
            headers["authorization"] = f"Basic {login}"
        asks = {"service": asked.service, "scope": asked.scope or f"repository:{self.name}:pull"}
        params = {name: value for name, value in asks.items() if value}

        def ask() -> httpx2.Response:
            with client.stream("GET", realm, params=params, headers=headers) as answer:
                return _limited(answer, realm)

        answer = ask_patiently(ask, cancel=self._cancel)
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
        wait = asked_to_wait(answer)
        later = "try again later" if wait is None else f"try again in {wait:.0f} s"
        if status == 429:
            later += f", or log in for more: `podman login {self.host}`"
        raise FetchFailed(
            f"{self.host} answered {status} for {self.name}: {later}.", retry_after=wait
        )


def may_have_login(realm: str, registry: str) -> bool:
    """Tell whether the password may go to the address that a registry names for tokens.

    It may to the same host; over TLS also to its parent and what is below that, as from
    registry-1.docker.io to auth.docker.io.
    """
    asked, own = urlsplit(realm), urlsplit(registry)
    if (asked.scheme, asked.netloc) == (own.scheme, own.netloc):
        return True
    if asked.scheme != "https" or not asked.hostname or not own.hostname:
        return False
    parent = own.hostname.partition(".")[2]
    if "." not in parent or _FOR_ALL.fullmatch(parent) or own.hostname.replace(".", "").isdigit():
        return False
    return asked.hostname == parent or asked.hostname.endswith(f".{parent}")


def _way_to(host: str, name: str, reach: Reach) -> tuple[str, Certificates]:
    """Return the address of a registry, and the certificates that count there.

    On this machine, and where the operator says so, TLS is not needed, and any certificate is good.
    """
    address = "https://registry-1.docker.io" if host == DOCKER_HOST else f"https://{host}"
    certificates = replace(certificates_of(host), origin=address)
    is_here = host.startswith("[::1]") or host.partition(":")[0] in _LOOPBACK
    if host == DOCKER_HOST or not (is_here or is_insecure(host, name)):
        return address, certificates
    unchecked = replace(certificates, checked=False)
    if not _speaks_tls(host, reach, unchecked):
        return f"http://{host}", certificates
    # Who named an authority for a registry of this machine wants it to count.
    return address, certificates if is_here and certificates.authorities else unchecked


def _speaks_tls(host: str, reach: Reach, certificates: Certificates) -> bool:
    """Tell whether a registry that may do without TLS has it all the same, as podman looks."""
    import httpx2

    from localai.network.clients import client

    try:
        with client(reach, certificates, timeout=_PROBE) as asking:
            asking.get(f"https://{host}/v2/")
    except httpx2.TransportError as error:
        # Who wants to see a certificate that we have not says so in TLS.
        failure = tls_failure(error)
        return failure is not None and "ALERT" in (failure.reason or "")
    return True


def _trusting(host: str) -> str:
    return f"For this registry alone {folders_of(host)[0] / 'ca.crt'} is enough."


def _without_tls(host: str) -> str:
    return (
        "If it speaks plain HTTP, and that is meant, mark it in registries.conf as for podman "
        f"(`[[registry]]`, `location = '{host}'`, `insecure = true`). If it asks for a "
        f"certificate, put client.cert and client.key into {folders_of(host)[0]}."
    )


def _limited(answer: httpx2.Response, url: str) -> httpx2.Response:
    try:
        return whole(answer, _LARGEST)
    except TooLarge:
        raise UnreadableArtifact(f"{url} is larger than a manifest or text may be.") from None


def _json(content: bytes, source: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise not_as_asked(source, "a JSON object", "the address")
    return value
