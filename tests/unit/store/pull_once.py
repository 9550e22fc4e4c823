"""A program that fetches one file, for tests that kill it: URL, target, chunk, hash or `-`."""

from __future__ import annotations

import sys
from pathlib import Path

from localai.store.artifact import RemoteFile
from localai.store.download import Downloader, Patience

if __name__ == "__main__":
    url, target, chunk, digest = sys.argv[1:5]
    file = RemoteFile(Path(target).name, url, sha256=None if digest == "-" else digest)
    downloader = Downloader(chunk=int(chunk), patience=Patience(stall=20))
    fetched = downloader.fetch(file, Path(target))
    sys.stdout.write(f"{fetched.sha256} {fetched.received}\n")
