"""Whether the folders can be used that a start of the gateway needs; none is made or changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localai.amounts import GB, shown_bytes
from localai.cli.doctor_findings import Finding, quoted
from localai.cli.unix_socket import check_socket
from localai.errors import ConfigError
from localai.hardware.machine import Machine
from localai.pool.launchers.process import check_runtime_folder
from localai.settings import Settings, check_folders, default_models_folder

LITTLE_DISK = 2 * GB
"""Bytes; less holds hardly a model."""


def check_all_folders(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Check where cards, models, sockets and uploads are kept."""
    yield from _cards(settings)
    yield from _store(settings)
    if machine.disk_free is not None and machine.disk_free < LITTLE_DISK:
        text = f"Only {shown_bytes(machine.disk_free)} are free for models at {settings.store}"
        yield Finding("warning", text, "free some, or name a folder on another disk with --store")
    yield from _sockets(settings)
    yield from _own_socket(settings.socket)
    yield from _uploads(settings)


def _cards(settings: Settings) -> Iterator[Finding]:
    try:
        check_folders(settings)
    except ConfigError as error:
        missing = settings.models if error.param == "models" else None
        mend = f"mkdir -p {quoted(missing)}" if missing else "correct that setting"
        yield Finding("error", error.message, mend)
        return
    if not settings.models.is_dir():
        yield from _to_be_made("models", default_models_folder())
    elif not _can_be_written(settings.models):
        text = f"The folder {settings.models} cannot be written: nothing can be pulled"
        yield Finding("warning", text, _own(settings.models))


def _store(settings: Settings) -> Iterator[Finding]:
    """A start needs the store only for what it fetches, which a profile and `preload` are."""
    store = settings.store
    if store.exists() and not store.is_dir():
        text = f"store: {store} is no folder"
        yield Finding("error", text, "move that file away, or name another folder with --store")
    elif not store.exists():
        yield from _to_be_made("store", store)
    elif not _can_be_written(store):
        fetches = settings.profile is not None or bool(settings.preload)
        text = f"The folder {store} cannot be written: nothing can be fetched"
        yield Finding("error" if fetches else "warning", text, _own(store))


def _sockets(settings: Settings) -> Iterator[Finding]:
    given = settings.runtime_dir or Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    try:
        check_runtime_folder(given.absolute())
    except ConfigError as error:
        yield Finding("error", error.message, "localai run --runtime-dir /tmp")
        return
    yield from _unwritable("runtime_dir", given)


def _own_socket(path: Path | None) -> Iterator[Finding]:
    """Check where the gateway itself would listen; one that is there may be its own."""
    if path is None:
        return
    try:
        check_socket(path)
    except ConfigError as error:
        missing = f"mkdir -p {quoted(path.parent)}" if not path.parent.is_dir() else ""
        yield Finding("error", error.message, missing or "choose another one with --socket")
        return
    if path.exists() and not path.is_socket():
        text = f"socket: {path} is there already and is no socket"
        yield Finding("error", text, "choose another path with --socket")
    yield from _unwritable("socket", path.parent)


def _uploads(settings: Settings) -> Iterator[Finding]:
    given = settings.spool_dir or Path(tempfile.gettempdir())
    if not given.is_dir():
        text = f"spool_dir: the folder {given} does not exist: create it, or give another one"
        yield Finding("error", text, f"mkdir -p {quoted(given)}")
        return
    yield from _unwritable("spool_dir", given)


def _unwritable(name: str, folder: Path) -> Iterator[Finding]:
    if not _can_be_written(folder):
        yield Finding("error", f"{name}: the folder {folder} cannot be written", _own(folder))


def _to_be_made(name: str, folder: Path) -> Iterator[Finding]:
    """Tell where a folder that is not there yet could not be made."""
    above = next(one for one in folder.parents if one.exists())
    if not above.is_dir():
        text = f"{name}: the folder {folder} cannot be made: {above} is no folder"
        yield Finding("error", text, f"move that file away, or name another folder with --{name}")
    elif not _can_be_written(above):
        text = f"{name}: the folder {folder} cannot be made: {above} cannot be written"
        mend = f"sudo mkdir -p {quoted(folder)} && {_own(folder)}"
        yield Finding("error", text, mend)


def _own(folder: Path) -> str:
    return f"sudo chown {os.getuid()} {quoted(folder)}"


def _can_be_written(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)
