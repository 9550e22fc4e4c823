"""A hub on the loopback that answers the paths which `huggingface_hub` asks for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from tests.unit.store.file_server import Asked, FileServer, Reply

COMMIT = "a" * 40
_PLAIN = (".json", ".md", ".txt", ".jinja", ".gitattributes")


@dataclass
class Hub:
    """Repositories on `server`; the large files of LFS are on `cdn`, as with the real hub."""

    server: FileServer
    cdn: FileServer
    token: str | None = None
    gated: bool = False
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def put(self, repo: str, files: dict[str, bytes], commit: str = COMMIT) -> None:
        """Serve a repository at a commit, which is also its `main`."""
        self.repositories[repo] = files
        listing = {"id": repo, "sha": commit, "siblings": [_sibling(*one) for one in files.items()]}
        for path in ("", "/revision/main", f"/revision/{commit}"):
            self.server.routes[f"/api/models/{repo}{path}"] = partial(self._list, listing)
        for path, content in files.items():
            url = f"/{repo}/resolve/{commit}/{path}"
            if _is_plain(path):
                self.server.put(url, content)
                if self.token:
                    self.server.needs[url] = f"Bearer {self.token}"
            else:
                where = f"/cdn/{hashlib.sha256(content).hexdigest()}"
                self.server.routes[url] = partial(self._send_on, self.cdn.put(where, content))

    def _allowed(self, asked: Asked) -> bool:
        return self.token is None or asked.headers.get("authorization") == f"Bearer {self.token}"

    def _list(self, listing: dict[str, Any], asked: Asked) -> Reply:
        if self.gated:
            return 403, {"x-error-code": "GatedRepo"}, b""
        if not self._allowed(asked):
            return 401, {"x-error-code": "RepoNotFound"}, b""
        assert "blobs=" in urlsplit(asked.path).query
        return 200, {"content-type": "application/json"}, json.dumps(listing).encode()

    def _send_on(self, to: str, asked: Asked) -> Reply:
        if not self._allowed(asked):
            return 401, {}, b""
        return 302, {"location": to}, b""


def git_oid(content: bytes) -> str:
    """Return git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    told = {"rfilename": path, "size": len(content), "blobId": git_oid(content)}
    if not _is_plain(path):
        digest = hashlib.sha256(content).hexdigest()
        told["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return told


def _is_plain(path: str) -> bool:
    return path.endswith(_PLAIN)
