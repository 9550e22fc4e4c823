"""The README's own blocks, run against a running server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.cards.reading import check_card
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder, builtin_cards_folder
from tests.gateways import RunningGateway

PATIENCE = 180.0
"""Seconds: the libraries of some engines take long to import on a busy machine."""
ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text("utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("readme")) as running:
        yield running


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_commands_come_first() -> None:
    first = blocks("sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make run", "make test"]


def test_curl_block_answers(gateway: RunningGateway) -> None:
    (curl,) = [block for block in blocks("sh") if block.startswith("curl")]
    answer = json.loads(run(["sh", "-c", curl.replace("http://127.0.0.1:8080", gateway.url)]))
    assert answer["model"] == "starter-chat"
    assert answer["choices"][0]["message"]["content"].startswith("Hello")


def test_python_block_answers(gateway: RunningGateway) -> None:
    python = blocks("python")[0]
    printed = run([sys.executable, "-c", python.replace("http://127.0.0.1:8080", gateway.url)])
    first, second = printed.splitlines()
    assert "Paris" in first
    assert "demonstration model" in second


def test_media_block_answers(gateway: RunningGateway) -> None:
    python = blocks("python")[1]
    printed = run([sys.executable, "-c", python.replace("http://127.0.0.1:8080", gateway.url)])
    seen, heard, length = printed.splitlines()
    assert "red circle" in seen.lower()
    assert "hello world" in heard.lower()
    assert length == "384"


def test_media_commands_work(gateway: RunningGateway, tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "localai draw" in block]
    printed = run_shell(block, gateway, tmp_path).lower()
    assert "two blue squares" in printed
    assert "good morning" in printed
    assert len(json.loads((tmp_path / "king.json").read_text("utf-8"))) == 384


def test_card_block_is_a_valid_card(tmp_path: Path) -> None:
    (yaml,) = blocks("yaml")
    path = tmp_path / "card.yaml"
    path.write_text(yaml, "utf-8")
    problems = check_card(path, read_manifests(builtin_backends_folder())).problems
    assert [p for p in problems if "does not exist" not in p.message] == []


def run_shell(block: str, gateway: RunningGateway, folder: Path, said: str = "") -> str:
    """Run a shell block as a person would, with folders of its own and the running gateway."""
    weights = folder / "Qwen3-4B-Q4_K_M.gguf"
    shutil.copy(builtin_cards_folder().parent / "chat" / "starter-chat.gguf", weights)
    script = block.replace(".venv/bin/localai", f"{sys.executable} -m localai.cli")
    script = script.replace("~/models/Qwen3-4B-Q4_K_M.gguf", str(weights))
    script = script.replace("~/.local/share/localai/models", str(gateway.models))
    environ = {"LOCALAI_URL": gateway.url, "LOCALAI_MODELS": str(gateway.models)}
    done = subprocess.run(
        ["sh", "-ec", script], input=said, env=os.environ | environ, cwd=folder,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pull_and_chat_block_works(gateway: RunningGateway, tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "localai pull ~/" in block]
    assert "Paris" in run_shell(block, gateway, tmp_path, "What is the capital of France?")


def test_card_block_works(gateway: RunningGateway, tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "card check" in block]
    run_shell(block, gateway, tmp_path)
    schema = json.loads((tmp_path / "card.schema.json").read_text("utf-8"))
    assert "keep_alive" in schema["properties"]


def test_shown_commands_exist() -> None:
    shown = re.findall(r"localai (\w+)", (ROOT / "README.md").read_text("utf-8"))
    offered = run([sys.executable, "-m", "localai.cli", "--help"])
    assert {name for name in shown if f"  {name} " not in offered} == set()
