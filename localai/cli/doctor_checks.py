"""What can be wrong with a machine, its settings and its cards, each with what mends it."""

from __future__ import annotations

import http.client
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from localai.cards.catalog import card_files
from localai.cards.index import build_index
from localai.cards.model_files import resolve_model_path, resolve_option_paths
from localai.cards.reading import check_card
from localai.cards.resolved import Backends, ResolvedCard
from localai.cli.listening import open_socket
from localai.cli.tables import render_bytes
from localai.errors import ConfigError, LoadFailed
from localai.hardware.engines import Engine, installed_version
from localai.hardware.gpu import Api
from localai.hardware.machine import Machine
from localai.pool.launchers.process import ProcessLauncher
from localai.protocol.manifest import read_manifests
from localai.settings import Settings, backend_folders, catalog_folders, ensure_folders
from localai.store.whereabouts import locator

LITTLE_DISK = 2 * 2**30
"""Bytes; less holds hardly a model."""
_SECONDS = 2.0
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:==([^,;*]+)$)?")
_BUILDS: dict[Api, str] = {"cuda": "CUDA", "rocm": "HIP", "vulkan": "VULKAN", "metal": "METAL"}
"""llama.cpp's own names, as in `-DGGML_CUDA=on`."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and the command or step that mends it."""

    level: Literal["error", "warning"]
    """An error keeps something that was asked for from running."""
    what: str
    mend: str = ""


def check_everything(
    settings: Settings, machine: Machine, engines: Sequence[Engine]
) -> list[Finding]:
    """Return all that is wrong, errors first."""
    found = [
        *check_folders(settings, machine),
        *check_port(settings.host, settings.port),
        *check_machine(machine, engines),
        *check_engines(engines),
        *check_backends_and_cards(settings),
    ]
    return sorted(found, key=lambda one: one.level)


def check_folders(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Check where models, sockets and uploads are kept."""
    mends = {
        "models": f"mkdir -p {settings.models}",
        "runtime_dir": "localai run --runtime-dir /tmp",
    }
    yield from _refused(lambda: ensure_folders(settings), mends)
    for folder in (settings.models, settings.store):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            text = f"The folder {folder} cannot be written: nothing can be pulled"
            yield Finding("warning", text, f"sudo chown {os.getuid()} {folder}")
    if machine.disk_free is not None and machine.disk_free < LITTLE_DISK:
        text = f"Only {render_bytes(machine.disk_free)} are free for models at {settings.store}"
        yield Finding("warning", text, "free some, or name a folder on another disk with --store")
    yield from _refused(lambda: ProcessLauncher(settings.runtime_dir).close(), mends)
    for name, folder in _temporary(settings).items():
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            text = f"{name}: the folder {folder} cannot be written"
            yield Finding("error", text, f"sudo chmod 1777 {folder}")


def check_port(host: str, port: int) -> Iterator[Finding]:
    """Check that the gateway could listen; a LocalAI that is already there is no mistake."""
    try:
        open_socket(host, port).close()
    except ConfigError as error:
        if not _is_localai(host, port):
            yield Finding("error", error.message, f"localai run --port {port + 1}")


def check_machine(machine: Machine, engines: Iterable[Engine]) -> Iterator[Finding]:
    """Check drivers, and that a GPU is not left idle by an engine built without it."""
    for trouble in machine.troubles:
        yield Finding("warning", trouble, "install or restart the driver; a restart often helps")
    llama = next((one for one in engines if one.name == "llama-cpp-python"), None)
    if llama is None or llama.version is None or llama.trouble or not machine.gpus:
        return
    if not any(gpu.api in llama.built_for for gpu in machine.gpus):
        gpu = machine.gpus[0]
        text = f"There is the {gpu.name}, but llama.cpp was built for the processor alone"
        build = f"CMAKE_ARGS=-DGGML_{_BUILDS[gpu.api]}=on pip install --force-reinstall --no-deps"
        yield Finding("warning", text, f"{build} --no-cache-dir llama-cpp-python=={llama.version}")


def check_engines(engines: Iterable[Engine]) -> Iterator[Finding]:
    """Check that each installed engine can be imported."""
    for engine in engines:
        if engine.version is not None and engine.trouble is not None:
            again = f"pip install --force-reinstall --no-deps '{engine.name}=={engine.version}'"
            yield Finding("error", f"{engine.name} cannot be used: {engine.trouble}", again)


def check_backends_and_cards(settings: Settings) -> Iterator[Finding]:
    """Check every card as `localai card check` does, its files, and its backend's packages."""
    try:
        backends = read_manifests(*backend_folders(settings))
    except ConfigError as error:
        yield Finding("error", error.message, "correct that file")
        return
    folders: list[list[ResolvedCard]] = []
    locate = locator(settings.store)
    for folder in catalog_folders(settings):
        checked = [check_card(path, backends) for path in card_files(folder)]
        for one in checked:
            for problem in one.problems:
                yield Finding("error", str(problem), f"localai card check {one.path}")
        folders.append([replace(one.resolved, locate=locate) for one in checked if one.resolved])
    index = build_index(folders, {})
    for clash in index.clashes:
        yield Finding("warning", str(clash), "rename one of the two")
    yield from check_requirements(backends, {card.card.backend for card in index.cards.values()})
    for card in index.cards.values():
        yield from _missing_files(card)


def check_requirements(
    backends: Backends,
    in_use: Iterable[str],
    version_of: Callable[[str], str | None] = installed_version,
) -> Iterator[Finding]:
    """Check that what the backends name as their packages is installed."""
    for name in sorted(set(in_use)):
        wanted = backends[name][1].requirements.get("cpu", [])
        missing = [one for one in wanted if (told := _unmet(one, version_of)) and not told[1]]
        if missing:
            packages = " ".join(f"'{one}'" for one in missing)
            text = f"The backend '{name}' is not complete: {', '.join(missing)} is not installed"
            yield Finding("error", text, f"pip install {packages}")
        for one in wanted:
            told = _unmet(one, version_of)
            if told and told[1]:
                text = f"The backend '{name}' was tried with {one}, and {told[1]} is installed"
                yield Finding("warning", text, f"pip install '{one}'")


def _unmet(requirement: str, version_of: Callable[[str], str | None]) -> tuple[str, str] | None:
    """Return the package and the wrong version of it, empty where there is none at all."""
    found = _REQUIREMENT.match(requirement)
    if found is None:
        return None
    name, pinned = found[1], found[2]
    version = version_of(name)
    if version is None:
        return name, ""
    # `2.13.0+cpu` is 2.13.0, built in a certain way.
    return (name, version) if pinned and version.partition("+")[0] != pinned else None


def _missing_files(card: ResolvedCard) -> Iterator[Finding]:
    try:
        resolve_model_path(card)
        resolve_option_paths(card)
    except LoadFailed as failure:
        if card.card.fallback is None:
            yield Finding("error", failure.message, f"localai card check {card.path}")
        else:
            text = f"'{card.name}' is not here yet: '{card.card.fallback}' answers in its place"
            yield Finding("warning", text, f"localai pull {card.card.model}")


def _refused(attempt: Callable[[], None], mends: Mapping[str, str]) -> Iterator[Finding]:
    try:
        attempt()
    except ConfigError as error:
        yield Finding("error", error.message, mends.get(error.param or "", "correct that setting"))


def _temporary(settings: Settings) -> Mapping[str, Path]:
    temp = Path(tempfile.gettempdir())
    runtime = settings.runtime_dir or Path(os.environ.get("XDG_RUNTIME_DIR") or temp)
    return {"runtime_dir": runtime, "spool_dir": settings.spool_dir or temp}


def _is_localai(host: str, port: int) -> bool:
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    connection = http.client.HTTPConnection(loopback, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/ready")
        told = json.loads(connection.getresponse().read(4096))
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return isinstance(told, dict) and {"status", "models"} <= told.keys()
