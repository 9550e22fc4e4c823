"""Short names for references: `[shortnames]` of TOML files, in the form that RamaLama reads."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from localai.errors import ConfigError

_SYSTEM = ("/usr/share", "/usr/local/share", "/etc")
_FILE = "shortnames.conf"


def shortname_files() -> tuple[Path, ...]:
    """Return where short names may stand; a later file counts before an earlier one."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    folders = [*map(Path, _SYSTEM), config]
    return tuple(
        folder / program / _FILE for program in ("ramalama", "localai") for folder in folders
    )


def load_shortnames(files: Iterable[Path] | None = None) -> dict[str, str]:
    """Return all short names, without the quotes that RamaLama's files have in the keys.

    Raises ConfigError for a file that is there but is wrong.
    """
    names: dict[str, str] = {}
    for path in shortname_files() if files is None else files:
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            continue
        names |= _read(path, stamp)
    return names


def spelled_out(text: str) -> str:
    """Return what a short name stands for, which may be another one; every other text as it is."""
    names, seen = load_shortnames(), set[str]()
    while text in names and text not in seen:
        seen.add(text)
        text = names[text]
    return text


@cache
def _read(path: Path, stamp: int) -> dict[str, str]:
    del stamp  # a changed file is read anew
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    table = content.get("shortnames", {})
    if not isinstance(table, dict) or not all(isinstance(one, str) for one in table.values()):
        raise ConfigError(f'{path}: below [shortnames] must stand lines as "name" = "hf://…"')
    return {name.strip("'\""): text for name, text in table.items()}
