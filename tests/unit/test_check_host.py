"""What `make` says on a machine that lacks something."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check-host.sh"


def check(folder: Path, *present: str, python: str = sys.executable) -> tuple[int, str]:
    """Run the script where only the programs `present` can be found."""
    for name in present:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), python],
        env={"PATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_complete_machine_passes(tmp_path: Path) -> None:
    assert check(tmp_path, "c++", "cmake") == (0, "")


@pytest.mark.parametrize(
    ("present", "missing", "command"),
    [
        (["cmake"], "no C++ compiler", "apt-get install build-essential"),
        (["c++"], "no cmake", "apt-get install cmake"),
    ],
)
def test_missing_tool_is_one_sentence_with_the_command(
    tmp_path: Path, present: list[str], missing: str, command: str
) -> None:
    code, said = check(tmp_path, *present)
    assert code == 1
    assert len(said.splitlines()) == 1
    assert missing in said
    assert command in said


def test_missing_python_is_one_sentence(tmp_path: Path) -> None:
    code, said = check(tmp_path, "c++", "cmake", python="python3.99")
    assert (code, len(said.splitlines())) == (1, 1)
    assert "apt-get install python3.11" in said


def test_old_python_is_told_with_its_version(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text(
        "#!/bin/sh\ncase $2 in *exit*) exit 1;; *platform*) echo 3.9.2;; esac\n", "utf-8"
    )
    old.chmod(0o755)
    code, said = check(tmp_path, "c++", "cmake", python=str(old))
    assert (code, len(said.splitlines())) == (1, 1)
    assert "is 3.9.2" in said
