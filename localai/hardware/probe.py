"""The one door to the machine, so that everything behind it can be tested with recorded outputs."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SECONDS = 10.0
"""How long a program may take to describe a device; a hanging driver must not hang us."""


@dataclass(frozen=True)
class Ran:
    """How a program ended and what it printed."""

    is_ok: bool
    out: str
    trouble: str = ""
    """What went wrong, as one line."""


class Probe(Protocol):
    """Ways to look at a machine; none of them raises."""

    def run(self, *command: str) -> Ran | None:
        """Return how a program ended, None where it is not installed."""

    def read(self, path: str) -> str | None:
        """Return the text of a file, None where it cannot be read."""

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match, in order."""

    def disk_free(self, folder: Path) -> int | None:
        """Return the bytes that may still be written below `folder`, None where unknown."""

    def variable(self, name: str) -> str | None:
        """Return what the environment says, None where it does not."""

    def system(self) -> tuple[str, str]:
        """Return the name of the system and of the processor, as `("Linux", "x86_64")`."""


class ThisMachine:
    """The machine that this process runs on; programs may take `seconds` to describe it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = SECONDS if seconds is None else seconds

    def run(self, *command: str) -> Ran | None:
        program = shutil.which(command[0])
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, *command[1:]], capture_output=True, text=True, errors="replace",
                timeout=self._seconds, check=False, stdin=subprocess.DEVNULL,
                env=os.environ | {"LC_ALL": "C"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Ran(False, "", f"`{command[0]}` gave no answer within {self._seconds:g} seconds")
        except OSError as error:
            return Ran(False, "", f"`{command[0]}` cannot be started: {error.strerror}")
        if done.returncode == 0:
            return Ran(True, done.stdout)
        return Ran(False, done.stdout, _trouble(command[0], done))

    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text("utf-8", errors="replace")
        except OSError:
            return None

    def glob(self, pattern: str) -> list[str]:
        return sorted(glob.glob(pattern))

    def disk_free(self, folder: Path) -> int | None:
        there = next((one for one in (folder, *folder.parents) if one.exists()), None)
        try:
            return None if there is None else shutil.disk_usage(there).free
        except OSError:
            return None

    def variable(self, name: str) -> str | None:
        return os.environ.get(name)

    def system(self) -> tuple[str, str]:
        about = os.uname()
        return about.sysname, about.machine


def _trouble(program: str, done: subprocess.CompletedProcess[str]) -> str:
    # nvidia-smi writes its errors to stdout.
    said = next((line.strip() for line in (done.stderr + done.stdout).splitlines() if line), "")
    ending = f"exit code {done.returncode}" if done.returncode >= 0 else "a signal"
    return f"`{program}` ended with {ending}" + (f": {said}" if said else "")
