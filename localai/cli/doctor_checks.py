"""Everything that the doctor checks, and the port that the gateway would listen on."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence

from localai.cli.addresses import loopback_of
from localai.cli.checked_cards import CheckedCards
from localai.cli.doctor_cards import check_files, check_galleries, check_profile
from localai.cli.doctor_engines import (
    check_acceleration,
    check_drivers,
    check_engines,
    check_requirements,
)
from localai.cli.doctor_findings import Finding
from localai.cli.doctor_folders import check_all_folders
from localai.cli.doctor_store import check_store
from localai.cli.listening import open_socket
from localai.cli.variables import variable_warnings
from localai.errors import ConfigError
from localai.hardware.acceleration import accelerator
from localai.hardware.engines import Engine
from localai.hardware.machine import Machine
from localai.settings import Settings
from localai.store.transports.hub import endpoint

_SECONDS = 2.0
_FREE_PORT = "localai run --port 0"


def check_everything(
    settings: Settings, machine: Machine, engines: Sequence[Engine], checked: CheckedCards
) -> list[Finding]:
    """Return all that is wrong, errors first."""
    found = [
        *(Finding("warning", text, mend) for text, mend in variable_warnings(settings)),
        *check_all_folders(settings, machine),
        *(() if settings.socket else check_port(settings.host, settings.port)),
        *check_hub(),
        *check_drivers(machine),
        *check_acceleration(machine, engines, checked.wanted_engines),
        *check_engines(engines),
        *check_backends_and_cards(settings, machine, engines, checked),
    ]
    return sorted(found, key=lambda one: one.level)


def check_backends_and_cards(
    settings: Settings, machine: Machine, engines: Sequence[Engine], checked: CheckedCards
) -> Iterator[Finding]:
    """Check the cards, their files, and the packages of their backends."""
    yield from checked.findings
    section = accelerator(engines, machine.gpus)
    yield from check_requirements(checked.backends, checked.in_use, section)
    yield from check_files(settings, checked.cards)
    yield from check_store(settings, checked.cards)
    yield from check_galleries(settings, checked.backends)
    yield from check_profile(settings, machine, checked.cards)


def check_port(host: str, port: int) -> Iterator[Finding]:
    """Check that the gateway could listen; a LocalAI that is already there is no mistake."""
    try:
        open_socket(host, port).close()
    except ConfigError as error:
        if not _is_localai(host, port):
            yield Finding("error", error.message, _mend(error, host))


def check_hub() -> Iterator[Finding]:
    """Check the address of the hub that the environment names."""
    try:
        endpoint()
    except ConfigError as error:
        yield Finding("error", error.message, f"unset {error.param}")


def _mend(error: ConfigError, host: str) -> str:
    if error.param == "port":
        return _FREE_PORT
    return f"localai run --socket {host}" if "/" in host else "localai run --host 127.0.0.1"


def _is_localai(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(loopback_of(host), port, timeout=_SECONDS)
    try:
        connection.request("GET", "/ready")
        told = json.loads(connection.getresponse().read(4096))
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return isinstance(told, dict) and {"status", "models"} <= told.keys()
