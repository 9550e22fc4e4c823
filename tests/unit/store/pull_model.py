"""A program that pulls one model, for tests that kill it: the store's folder, the reference."""

from __future__ import annotations

import sys
from pathlib import Path

from localai.store.download import Patience
from localai.store.flights import Downloader
from localai.store.store import Store

if __name__ == "__main__":
    downloader = Downloader(chunk=100_000, patience=Patience(stall=20))
    sys.stdout.write(Store(Path(sys.argv[1]), downloader=downloader).pull(sys.argv[2]).reference)
