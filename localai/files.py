"""Files that others read at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def replace_text(target: Path, text: str) -> None:
    """Write a file at once: who reads it meanwhile finds the old text or the new one."""
    owner = f"{os.getpid()}-{threading.get_ident()}"
    part = target.with_name(f".{target.name}.{owner}.part")
    try:
        part.write_text(text, "utf-8")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
