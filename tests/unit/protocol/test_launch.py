from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from localai.protocol.capabilities import Capability
from localai.protocol.launch import Failed, LaunchSpec, Loading, Ready, WorkerInfo, parse_status

INFO = WorkerInfo(
    name="m", backend="echo", capabilities=[Capability.CHAT], max_concurrent=2, build={"echo": "1"}
)


@pytest.mark.parametrize(
    "status",
    [Loading(), Ready(info=INFO), Failed(message="two\nlines", code="x")],
)
def test_a_status_survives_the_pipe_on_one_line(status: Loading | Ready | Failed) -> None:
    line = status.model_dump_json().encode()
    assert b"\n" not in line
    assert parse_status(line + b"\n") == status


@pytest.mark.parametrize("line", [b"", b"hello\n", b'{"status":"bored"}\n', b'{"status":"ready"}'])
def test_other_lines_are_no_status(line: bytes) -> None:
    with pytest.raises(ValidationError):
        parse_status(line)


def test_a_launch_spec_survives_its_file(tmp_path: Path) -> None:
    spec = LaunchSpec(
        name="org/name", backend=tmp_path, socket=Path("socket"), model=tmp_path / "m.gguf",
        options={"delay": 0.5, "list": [1]}, max_concurrent=3, lenient=True, status_fd=4,
        parent_pid=5,
    )  # fmt: skip
    assert LaunchSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_launch_spec_takes_no_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="colour"):
        LaunchSpec.model_validate(
            {"name": "m", "backend": tmp_path, "socket": tmp_path, "colour": 1}
        )
