"""Whether engines and the packages of backends are complete, and use the GPUs that are here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

from localai.cards.resolved import Backends
from localai.cli.doctor_findings import Finding, accelerated, install, reinstalled
from localai.hardware.acceleration import idle_gpus
from localai.hardware.engines import Engine, installed_version
from localai.hardware.machine import Machine
from localai.protocol.manifest import Manifest

ENGINE_OF = {
    "llama_cpp": "llama-cpp-python", "diffusers": "torch", "sentence_transformers": "torch",
    "faster_whisper": "ctranslate2",
}  # fmt: skip
"""What computes for each backend that uses a GPU by itself."""


def check_drivers(machine: Machine) -> Iterator[Finding]:
    """Check that every tool which knows of a GPU could tell of it."""
    for trouble in machine.troubles:
        yield Finding("warning", trouble, "install or restart the driver; a restart often helps")


def check_engines(engines: Iterable[Engine]) -> Iterator[Finding]:
    """Check that each installed engine can be imported."""
    for engine in engines:
        if engine.version is not None and engine.trouble is not None:
            text = f"{engine.name} cannot be used: {engine.trouble}"
            yield Finding("error", text, reinstalled(engine))


def check_acceleration(
    machine: Machine, engines: Iterable[Engine], asked_for: Collection[str] = ()
) -> Iterator[Finding]:
    """Check that no engine leaves a GPU idle; `asked_for` are further ones that cards want there.

    Piper is quick enough on the processor and is put on a GPU only by cards that say so.
    """
    wanted = {*ENGINE_OF.values(), *asked_for}
    for idle in idle_gpus((one for one in engines if one.name in wanted), machine.gpus):
        yield Finding("warning", idle.sentence(), accelerated(idle))


def check_requirements(
    backends: Backends,
    in_use: Iterable[str],
    accelerator: str = "cpu",
    version_of: Callable[[str], str | None] = installed_version,
) -> Iterator[Finding]:
    """Check that what the backends name as their packages is installed, in its version.

    What they name for the accelerator alone may have come in another way, as CUDA's own libraries.
    """
    for name in sorted(set(in_use)):
        manifest = backends[name][1]
        needed = manifest.requirements.get("cpu", [])
        unmet = [(one, _state(one, version_of)) for one in requirements_of(manifest, accelerator)]
        missing = [one for one, state in unmet if state == ""]
        yield from _missing(name, [one for one in missing if one in needed], accelerator, "error")
        more = [one for one in missing if one not in needed]
        yield from _missing(name, more, accelerator, "warning")
        yield from _others(name, [(one, state) for one, state in unmet if state])


def requirements_of(manifest: Manifest, accelerator: str) -> list[str]:
    """Return what a backend needs; where it names nothing of its own, what it needs on a CPU."""
    return manifest.requirements.get(accelerator, manifest.requirements.get("cpu", []))


def packages_of(
    backends: Backends, accelerator: str, version_of: Callable[[str], str | None]
) -> dict[str, str | None]:
    """Return the installed version of each package that a backend names, None for none."""
    lines = (
        line for _, manifest in backends.values() for line in requirements_of(manifest, accelerator)
    )
    names = {asked.name for line in lines if (asked := _parsed(line)) is not None}
    return {name: version_of(name) for name in sorted(names, key=str.casefold)}


def _missing(
    name: str, lines: list[str], image: str, level: Literal["error", "warning"]
) -> Iterator[Finding]:
    if not lines:
        return
    are = "is" if len(lines) == 1 else "are"
    text = f"The backend '{name}' is not complete: {', '.join(lines)} {are} not installed"
    yield Finding(level, text, install(lines, image=image))


def _others(name: str, found: list[tuple[str, str | None]]) -> Iterator[Finding]:
    for line, version in found:
        if "==" in line:
            text = f"The backend '{name}' was tried with {line}, and {version} is installed"
            yield Finding("warning", text, install([line]))
        else:
            text = f"The backend '{name}' needs {line}, and {version} is installed"
            yield Finding("error", text, install([line]))


def _state(line: str, version_of: Callable[[str], str | None]) -> str | None:
    """Return None for what is met, "" for what is not installed, else the version that is."""
    asked = _parsed(line)
    if asked is None or (asked.marker is not None and not asked.marker.evaluate()):
        return None
    version = version_of(asked.name)
    if version is None:
        return ""
    # `2.13.0+cpu` is 2.13.0, built in a certain way.
    return None if asked.specifier.contains(version, prereleases=True) else version


def _parsed(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None  # an address or a path, which pip alone can read
