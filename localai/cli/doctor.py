"""`localai doctor`: what is here, what would be chosen, and what is wrong."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai import __version__
from localai.cli.failures import FAILED
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.tables import render_bytes
from localai.cli.terminal import printable

if TYPE_CHECKING:
    from localai.cli.doctor_findings import Finding
    from localai.hardware.engines import Engine
    from localai.hardware.gpu import Gpu
    from localai.hardware.machine import Machine
    from localai.hardware.profiles import ProfileChoice
    from localai.hardware.tools import Tool

_SETTINGS = (
    "host", "port", "socket", "models", "store", "backends", "profile", "preload", "spool_dir",
    "runtime_dir",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """All that the doctor found."""

    machine: Machine
    engines: tuple[Engine, ...]
    packages: Mapping[str, str | None]
    """The version of each package that a backend needs, None where it is not installed."""
    choice: ProfileChoice
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether everything that was asked for can run."""
        return not any(one.level == "error" for one in self.findings)


@click.command("doctor")
@settings_options(*_SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON")
@click.pass_context
def doctor_command(
    context: click.Context, /, config: Path | None, as_json: bool, **flags: Any
) -> None:
    """Show what this machine has, what would be chosen, and what is wrong and how to mend it.

    It starts nothing and changes nothing. Ends with 1 when something is wrong that keeps a part of
    LocalAI from running.
    """
    report = _examine(config, flags)
    if as_json:
        click.echo(json.dumps(_as_json(report), indent=2))
    else:
        click.echo("\n".join(_lines(report)))
    if not report.is_well:
        context.exit(FAILED)


def _examine(config: Path | None, flags: dict[str, Any]) -> Report:
    from localai.cli.checked_cards import CheckedCards, read_cards
    from localai.cli.doctor_checks import check_everything
    from localai.cli.doctor_engines import packages_of
    from localai.cli.doctor_findings import Finding
    from localai.errors import ConfigError
    from localai.hardware.acceleration import accelerator
    from localai.hardware.engines import detect_engines, installed_version, llama_built_for
    from localai.hardware.machine import detect
    from localai.hardware.profiles import choose_profile
    from localai.settings import AUTO_PROFILE, Settings, default_store_folder

    wrong: list[Finding] = []
    try:
        settings: Settings | None = settings_of(config, flags)
    except ConfigError as error:
        settings = None
        wrong.append(Finding("error", error.message, "correct that setting"))
    machine = detect(folder=settings.store if settings else default_store_folder())
    engines = detect_engines()
    choice = choose_profile(machine, llama_built_for())
    checked = CheckedCards({})
    if settings is not None:
        if settings.profile == AUTO_PROFILE:
            settings = settings.model_copy(update={"profile": choice.profile})
        checked = read_cards(settings)
        wrong += check_everything(settings, machine, engines, checked)
    section = accelerator(engines, machine.gpus)
    packages = packages_of(checked.backends, section, installed_version)
    return Report(machine, engines, packages, choice, tuple(wrong))


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": asdict(report.machine),
        "engines": [asdict(engine) for engine in report.engines],
        "packages": dict(report.packages),
        "profile": asdict(report.choice),
        "findings": [asdict(finding) for finding in report.findings],
        "ok": report.is_well,
    }


def _lines(report: Report) -> Iterator[str]:
    yield f"LocalAI {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield from _section("Machine", _machine_rows(report.machine))
    yield from _section("Engines", [(one.name, _engine(one)) for one in report.engines])
    yield from _section("Packages", _package_rows(report))
    yield from _section("Profile", [(report.choice.profile, report.choice.reason)])
    yield ""
    yield from _findings(report.findings)


def _section(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield title
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"  {name.ljust(width)}  {printable(value)}"


def _machine_rows(machine: Machine) -> list[tuple[str, str]]:
    cpu, memory = machine.cpu, machine.memory
    cores = "1 core" if cpu.cores == 1 else f"{cpu.cores} cores"
    if cpu.quota is not None:
        cores += f" (of which this container may use {cpu.quota:g})"
    return [
        ("processor", ", ".join([cpu.model, cores, " ".join(cpu.features) or "no extensions"])),
        ("memory", f"{render_bytes(memory.total)}, {render_bytes(memory.free)} free"),
        *(("GPU", _gpu(gpu)) for gpu in machine.gpus),
        *([] if machine.gpus else [("GPU", "none")]),
        ("disk", f"{render_bytes(machine.disk_free)} free for models"),
        ("containers", _tool(machine.container_engine)),
        ("sandbox", _tool(machine.bubblewrap)),
        ("compilers", ", ".join(map(_tool, machine.compilers)) or "none"),
    ]


def _gpu(gpu: Gpu) -> str:
    size = f"{render_bytes(gpu.memory_total)}" if gpu.memory_total else "memory unknown"
    free = f", {render_bytes(gpu.memory_free)} free" if gpu.memory_free is not None else ""
    return f"{gpu.name}, {size}{free}, {' and '.join(gpu.apis)}"


def _tool(tool: Tool | None) -> str:
    if tool is None:
        return "none"
    return f"{tool.name} {tool.version}" + (f" ({tool.trouble})" if tool.trouble else "")


def _engine(engine: Engine) -> str:
    if engine.version is None:
        return "not installed"
    if engine.trouble is not None:
        return f"{engine.version}, broken: {engine.trouble}"
    idle = [api for api in engine.built_for if api not in engine.works]
    built = " and ".join(engine.built_for) or "the processor alone"
    return f"{engine.version}, for {built}" + (f" ({', '.join(idle)} not found)" if idle else "")


def _package_rows(report: Report) -> list[tuple[str, str]]:
    engines = {engine.name for engine in report.engines}
    return [
        (name, version or "not installed")
        for name, version in report.packages.items()
        if name not in engines
    ]


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "Nothing is wrong."
    for one in findings:
        yield f"{one.level}: {printable(one.what)}"
        if one.mend:
            yield f"  mend: {printable(one.mend)}"
