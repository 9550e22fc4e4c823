from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localai import __version__
from localai.cards.catalog import Catalog
from localai.cli import run
from localai.cli.addresses import shown_url
from localai.cli.banner import render_banner
from localai.cli.checked_cards import read_cards
from localai.cli.listening import open_socket
from localai.cli.logs import OneLine
from localai.cli.profile_choice import with_profile
from localai.errors import ConfigError
from localai.hardware.cpu import Cpu
from localai.hardware.machine import Machine
from localai.hardware.memory import Memory
from localai.protocol.manifest import read_manifests
from localai.settings import Settings, builtin_backends_folder, load_settings
from tests.unit.cli.ended import Ended

PROGRAM = "from localai.cli import main; main()"


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the gateway in a process and yield it with its address, once it has announced it."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_gateway_answers_when_it_says_so_and_ends_well(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nbackend: echo\n")
    with running("--models", str(tmp_path)) as (process, url):
        with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as response:
            names = [model["id"] for model in json.load(response)["data"]]
        process.send_signal(number)
        assert process.wait(20) == 0
    assert {"echo", "mine"} <= set(names)


def test_a_taken_port_is_one_sentence(tmp_path: Path, localai: Callable[..., Ended]) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        ended = localai("run", "--port", str(port), "--models", str(tmp_path))

    assert ended.code == 2
    assert ended.err == (
        f"Error: Port {port} of 127.0.0.1 is taken by another program: stop it, or choose another "
        "port with --port (0 takes a free one).\n"
    )


def test_a_bad_folder_and_a_bad_flag_are_one_sentence(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    folder = localai("run", "--models", str(tmp_path / "none"))
    flag = localai("run", "--log-level", "loud")

    assert (folder.code, flag.code) == (2, 2)
    assert "does not exist: create it" in folder.err
    assert "log_level = 'loud' (from the flag --log-level)" in flag.err


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="--host"):
        open_socket("no such host", 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("box.example", "http://box.example:80"),
    ],
)
def test_the_shown_address_can_be_called(host: str, url: str) -> None:
    assert shown_url(host, 80) == url


def banner(folder: Path) -> list[str]:
    catalog = Catalog([folder], read_manifests(builtin_backends_folder()))
    catalog.refresh()
    return render_banner("http://127.0.0.1:80", catalog).splitlines()


def test_the_banner_has_the_address_models_a_line_to_try_and_broken_cards(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nbackend: echo\naliases: [aa]\n")
    (tmp_path / "b.yaml").write_text("name: b\nbackend: echo\nx: 1\n")
    lines = banner(tmp_path)

    assert lines[0].startswith("LocalAI ")
    assert lines[0].endswith(" listens on http://127.0.0.1:80")
    assert any(line.startswith("  a  echo, default for chat, completion") for line in lines)
    assert any("curl http://127.0.0.1:80/v1/chat/completions" in line for line in lines)
    assert lines[-2] == f"Broken cards: {tmp_path / 'b.yaml'}."
    assert "The log above tells what is wrong" in lines[-1]
    assert not any("unknown key" in line for line in lines)


def test_the_banner_says_what_is_not_here_yet_and_who_answers(tmp_path: Path) -> None:
    model = "backend: llama_cpp\nmodel: hf://org/repo/m.gguf\n"
    (tmp_path / "a.yaml").write_text(f"name: a\n{model}fallback: mid\n")
    (tmp_path / "b.yaml").write_text(f"name: b\n{model}")
    (tmp_path / "c.yaml").write_text("name: c\nbackend: llama_cpp\nmodel: none.gguf\n")
    (tmp_path / "mid.yaml").write_text(f"name: mid\n{model}fallback: end\n")
    (tmp_path / "end.yaml").write_text("name: end\nbackend: echo\n")
    lines = {line.split()[0]: line for line in banner(tmp_path) if line.startswith("  ")}

    assert lines["a"].endswith(", not here yet: end answers until it is")
    assert lines["b"].endswith(", not here yet")
    assert lines["c"].endswith(", its file is missing")
    assert "here" not in lines["end"]


def test_a_machine_that_is_too_small_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Memory(2**30, 2**30)
    monkeypatch.setattr("localai.hardware.memory.detect_memory", lambda probe: small)
    settings = load_settings(models=tmp_path, profile="cpu")
    run._warn_of_shortages(settings, read_cards(settings).cards)
    run._warn_of_shortages(load_settings(models=tmp_path), ())

    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "Warning: The largest model of the profile cpu needs about 8.0 GB of memory, "
        "and there are 1.1 GB here."
    )


def test_auto_says_what_kept_the_machine_from_telling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hangs = Machine(Cpu("x", 1, ()), Memory(1, 1), troubles=("`nvidia-smi` gave no answer",))
    monkeypatch.setattr("localai.hardware.machine.detect", lambda folder: hangs)
    settings = with_profile(load_settings(models=tmp_path, profile="auto"))

    assert settings.profile == "cpu"
    assert "`nvidia-smi` gave no answer" in capsys.readouterr().out


def test_versions_are_json_too(localai: Callable[..., Ended]) -> None:
    told = json.loads(localai("version", "--json").out)

    assert told["version"] == __version__
    assert "llama_cpp" in told["backends"]
    assert told.keys() == {"version", "python", "platform", "backends"}


def test_the_banner_without_models_says_how_to_get_one(tmp_path: Path) -> None:
    assert "localai pull" in banner(tmp_path)[-1]


def test_a_log_record_is_one_line() -> None:
    record = logging.LogRecord("n", logging.INFO, "", 0, "a\r\nforged", None, None)

    assert OneLine().format(record).endswith("INFO n: a\\r\\nforged")


def test_every_setting_is_a_flag(localai: Callable[..., Ended]) -> None:
    text = localai("run", "--help").out

    assert "--config" in text
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text


def test_client_commands_do_not_import_the_server() -> None:
    program = (
        "import sys; from localai.cli.failures import run_to_exit_code as run;"
        "from localai.cli import commands; run(commands, ['version']); run(commands, ['--help']);"
        "print([m for m in ('uvicorn', 'fastapi', 'httpx2', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_wrong_use(localai: Callable[..., Ended]) -> None:
    assert localai("frob").code == 2


def test_a_command_that_ran_in_this_process_leaves_its_log_alone(
    tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    before = logging.root.level, list(logging.root.handlers)
    ended = localai("run", "--models", str(tmp_path), "--port", "0", "--spool-dir", "/no/such")
    assert "/no/such" in ended.err
    assert (logging.root.level, logging.root.handlers) == before
