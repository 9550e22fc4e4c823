"""Registries for the tests: a real `docker-registry` process, and one of our own with faults."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.gateways import eventually
from tests.unit.store.file_server import Asked, FileServer, Reply

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Blob:
    """One layer or config of an artifact to push."""

    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest with its algorithm."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def described(self) -> dict[str, Any]:
        """Return the descriptor."""
        told: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest}
        told["size"] = len(self.content)
        return told | ({"annotations": dict(self.annotations)} if self.annotations else {})


def manifest_of(config: Blob, layers: list[Blob], media_type: str = OCI_MANIFEST) -> bytes:
    """Return a manifest as bytes."""
    described = [layer.described() for layer in layers]
    content = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.described(),
        "layers": described,
    }
    return json.dumps(content).encode()


def tar_of(files: Mapping[str, bytes | str], compressed: bool = False) -> bytes:
    """Return a tar; a value that is a text is the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue()) if compressed else buffer.getvalue()


class Pusher:
    """Pushes to a real registry over its HTTP API."""

    def __init__(self, host: str, login: tuple[str, str] | None = None) -> None:
        self.host = host
        self._login = login

    def push(self, name: str, tag: str, manifest: bytes, blobs: list[Blob]) -> None:
        """Upload the blobs and the manifest."""
        url = f"http://{self.host}"
        with httpx2.Client(base_url=url, auth=self._login, trust_env=False) as client:
            for blob in blobs:
                begun = client.post(f"/v2/{name}/blobs/uploads/").raise_for_status()
                place = begun.headers["location"]
                put = f"{place}{'&' if '?' in place else '?'}digest={blob.digest}"
                client.put(put, content=blob.content).raise_for_status()
            kind = {"content-type": json.loads(manifest)["mediaType"]}
            where = f"/v2/{name}/manifests/{tag}"
            client.put(where, content=manifest, headers=kind).raise_for_status()


@contextmanager
def docker_registry(folder: Path, htpasswd: str | None = None) -> Iterator[str]:
    """Run a real registry, and give its host and port; skips where the program is not there."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("there is no docker-registry on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if htpasswd is not None:
        (folder / "htpasswd").write_text(htpasswd)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        _wait_for(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    def listens() -> bool:
        assert process.poll() is None, "the registry ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens, 20)


@dataclass
class TokenRegistry:
    """A registry of our own on a file server, which wants a token from `realm`."""

    server: FileServer
    realm: str | None = None
    tokens: int = 0

    def put(self, name: str, tag: str, manifest: bytes, blobs: list[Blob]) -> str:
        """Serve an artifact, and return the manifest's digest."""
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        for reference in (tag, digest):
            self.server.routes[f"/v2/{name}/manifests/{reference}"] = lambda asked: self._guarded(
                asked, manifest
            )
        for blob in blobs:
            path = f"/v2/{name}/blobs/{blob.digest}"
            self.server.put(path, blob.content)
            if self.realm:
                self.server.needs[path] = "Bearer token"
        self.server.routes["/token"] = self.give_token
        return digest

    def give_token(self, asked: Asked) -> Reply:
        """Answer at the address for tokens."""
        self.tokens += 1
        return 200, {"content-type": "application/json"}, b'{"token": "token"}'

    def _guarded(self, asked: Asked, manifest: bytes) -> Reply:
        if self.realm and asked.headers.get("authorization") != "Bearer token":
            challenge = f'Bearer realm="{self.realm}",service="s",scope="repository:a/b:pull"'
            return 401, {"www-authenticate": challenge}, b""
        return 200, {"content-type": OCI_MANIFEST}, manifest


def write_login(path: Path, host: str, user: str, password: str) -> None:
    """Write a file of logins as docker and podman do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
    os.chmod(path, 0o600)
