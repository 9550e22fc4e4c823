"""A program in which two threads resolve one reference at once, before anybody has asked."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from localai.references import HubReference, parse_reference
from localai.store.transports.hub import resolve


def main() -> None:
    """Print what each of them found, in a line of its own."""
    reference, together = parse_reference(sys.argv[1]), threading.Barrier(2)
    assert isinstance(reference, HubReference)

    def found(_: int) -> str:
        together.wait()
        return resolve(reference).model

    with ThreadPoolExecutor(2) as pool:
        sys.stdout.writelines(f"{model}\n" for model in pool.map(found, range(2)))


if __name__ == "__main__":
    main()
