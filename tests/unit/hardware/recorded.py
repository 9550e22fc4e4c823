"""A machine made of recorded outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from localai.hardware.probe import Ran


@dataclass
class Recorded:
    """Answers commands by their first words and files by their paths."""

    commands: dict[str, Ran] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    about: tuple[str, str] = ("Linux", "x86_64")
    variables: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The commands that were run, in order."""

    def run(self, *command: str) -> Ran | None:
        line = " ".join(command)
        self.asked.append(line)
        longest_first = sorted(self.commands, key=len, reverse=True)
        return next((self.commands[one] for one in longest_first if line.startswith(one)), None)

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in self.files if Path(path).match(pattern))

    def disk_free(self, folder: Path) -> int | None:
        return 10**11

    def variable(self, name: str) -> str | None:
        return self.variables.get(name)

    def system(self) -> tuple[str, str]:
        return self.about


def printed(text: str) -> Ran:
    """Return the end of a program that went well."""
    return Ran(True, text)


def failed(trouble: str) -> Ran:
    """Return the end of a program that did not."""
    return Ran(False, "", trouble)
