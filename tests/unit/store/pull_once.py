"""A program that fetches one file, for tests that kill it: URL, target, chunk, hash or `-`."""

from __future__ import annotations

import sys
from pathlib import Path

from localai.store.artifact import RemoteFile
from localai.store.download import Patience
from localai.store.flights import Downloader
from localai.store.progress import Progress


def waiting_mark(target: Path) -> Path:
    """Return the file that tells that this program waits for another download of `target`."""
    return target.with_name(f"{target.name}.waited-for")


def main() -> None:
    """Fetch what the arguments name, and print its hash and how many bytes came."""
    url, target, chunk, digest = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

    def report(progress: Progress) -> None:
        if progress.phase == "waiting":
            waiting_mark(target).touch()

    file = RemoteFile(target.name, url, sha256=None if digest == "-" else digest)
    fetched = Downloader(chunk=chunk, patience=Patience(stall=20)).fetch(file, target, report)
    sys.stdout.write(f"{fetched.sha256} {fetched.received}\n")


if __name__ == "__main__":
    main()
