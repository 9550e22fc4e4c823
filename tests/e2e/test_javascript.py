"""OpenAI's JavaScript client: its tests are written in its own language and run by node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gateways import RunningGateway

FOLDER = Path(__file__).parents[1] / "javascript"
NODE = shutil.which("node")


@pytest.mark.skipif(
    not os.environ.get("CI") and (NODE is None or not (FOLDER / "node_modules").is_dir()),
    reason="needs node and `make test` with npm",
)
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.test.mjs")))
def test_the_javascript_client(gateway: RunningGateway, name: str) -> None:
    ended = subprocess.run(
        [NODE or "node", "--test", name],
        cwd=FOLDER,
        env=os.environ | {"GATEWAY_URL": gateway.url, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
