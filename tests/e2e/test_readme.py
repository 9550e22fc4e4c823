"""The README's own blocks, run against a running server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from localai.cards.reading import check_card
from localai.protocol.manifest import read_manifests
from localai.references import HubReference, parse_reference
from localai.settings import builtin_backends_folder, builtin_cards_folder
from tests.gateways import RunningGateway, eventually
from tests.unit.store.file_server import serve_files
from tests.unit.store.hub_server import Hub

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
    assert "blue square" in printed  # every picture is another one, and the starter may miscount
    assert "good morning" in printed
    assert len(json.loads((tmp_path / "king.json").read_text("utf-8"))) == 384


def test_card_block_is_a_valid_card(tmp_path: Path) -> None:
    (yaml,) = blocks("yaml")
    path = tmp_path / "card.yaml"
    path.write_text(yaml, "utf-8")
    problems = check_card(path, read_manifests(builtin_backends_folder())).problems
    assert [p for p in problems if "does not exist" not in p.message] == []


def run_shell(
    block: str,
    gateway: RunningGateway,
    folder: Path,
    said: str = "",
    environ: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run a shell block as a person would, with folders of its own and the running gateway."""
    weights = folder / "Qwen3-4B-Q4_K_M.gguf"
    shutil.copy(builtin_cards_folder().parent / "chat" / "starter-chat.gguf", weights)
    script = block.replace(".venv/bin/localai", f"{sys.executable} -m localai.cli")
    script = script.replace("~/models/Qwen3-4B-Q4_K_M.gguf", str(weights))
    script = script.replace("~/.local/share/localai/models", str(gateway.models))
    places = {
        "LOCALAI_URL": gateway.url, "LOCALAI_MODELS": str(gateway.models),
        "LOCALAI_STORE": str(gateway.store),
    }  # fmt: skip
    done = subprocess.run(
        ["sh", "-ec", script], input=said, env={**os.environ, **places, **environ}, cwd=folder,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pull_and_chat_block_works(gateway: RunningGateway, tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "localai pull ~/" in block]
    assert "Paris" in run_shell(block, gateway, tmp_path, "What is the capital of France?")


def gallery_block() -> list[str]:
    (block,) = [block for block in blocks("sh") if "localai search" in block]
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def test_gallery_block_names_what_there_is(gateway: RunningGateway, tmp_path: Path) -> None:
    search, install, pull, start = gallery_block()
    name = install.split()[-1]

    assert name in run_shell(search.replace(" --fits", ""), gateway, tmp_path)
    assert name in run_shell(f".venv/bin/localai gallery show {name}", gateway, tmp_path)
    assert isinstance(parse_reference(pull.split()[-1]), HubReference)
    assert start.endswith("localai run --profile auto")


def test_pull_of_the_gallery_block_works(tmp_path: Path) -> None:
    pull = gallery_block()[2]
    reference = parse_reference(pull.split()[-1])
    assert isinstance(reference, HubReference)
    content = (builtin_cards_folder().parent / "chat" / "starter-chat.gguf").read_bytes()
    name = f"{reference.repo.rpartition('/')[2].removesuffix('-GGUF')}-{reference.quant}.gguf"
    with serve_files() as server, serve_files() as cdn, RunningGateway(tmp_path) as own:
        Hub(server, cdn).put(reference.repo, {name: content})
        hub = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"}
        printed = run_shell(pull, own, tmp_path, environ=hub)
        asked = f'.venv/bin/localai chat {printed.split()[-1]} "Capital of France?"'
        assert "Paris" in run_shell(asked, own, tmp_path)
    assert printed.startswith("Wrote ")


def test_the_profile_of_the_gallery_block_starts_and_says_what_is_not_here(tmp_path: Path) -> None:
    with RunningGateway(tmp_path, profile="auto") as running:
        eventually(lambda: "Try:" in running.log())
        log = running.log()
        assert running.http.get("/v1/models/gpt-4").json()["is_here"] is False
    assert log.startswith("Profile ")
    (line,) = [line for line in log.splitlines() if line.startswith("  gpt-4 ")]
    assert line.endswith("not here yet: starter-chat answers until it is")


def test_card_block_works(gateway: RunningGateway, tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "card check" in block]
    run_shell(block, gateway, tmp_path)
    schema = json.loads((tmp_path / "card.schema.json").read_text("utf-8"))
    assert "keep_alive" in schema["properties"]


def test_shown_commands_exist() -> None:
    shown = re.findall(r"localai (\w+)", (ROOT / "README.md").read_text("utf-8"))
    offered = run([sys.executable, "-m", "localai.cli", "--help"])
    assert {name for name in shown if f"  {name} " not in offered} == set()
