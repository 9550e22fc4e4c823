"""Short names for references: `[shortnames]` of TOML files, in the form that RamaLama reads."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from localai.errors import ConfigError
from localai.references import is_reference

_SYSTEM = ("/usr/share", "/usr/local/share", "/etc")
_FILE = "shortnames.conf"
_PATHS = ("/", "./", "../", "~")


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
    """Return what a short name stands for, which may be another one; every other text as it is.

    Raises ConfigError as `load_shortnames`, where a text may be one.
    """
    seen = set[str]()
    while _may_be_short(text) and text not in seen and text in (names := load_shortnames()):
        seen.add(text)
        text = names[text]
    return text


def _may_be_short(text: str) -> bool:
    return not (is_reference(text) or text.startswith(_PATHS))


@cache
def _read(path: Path, stamp: int) -> dict[str, str]:
    del stamp  # a changed file is read anew
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    table = content.get("shortnames", {})
    if not isinstance(table, dict):
        raise ConfigError(f'{path}: below [shortnames] must stand lines as "name" = "hf://…"')
    if wrong := [name for name, text in table.items() if not isinstance(text, str)]:
        raise ConfigError(
            f"{path}: '{wrong[0]}' below [shortnames] stands for no reference: write "
            f'"{wrong[0]}" = "hf://org/repo", or remove the line.'
        )
    return {name.strip("'\""): text for name, text in table.items()}
