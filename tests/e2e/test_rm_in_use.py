"""`rm` of a model that a gateway has loaded, whose engine has closed its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localai.store.errors import InUse
from localai.store.in_use import User, users_of
from localai.store.store import Store
from tests.gateways import RunningGateway, eventually
from tests.starter_voice import VOICE
from tests.unit.store.file_server import serve_files
from tests.unit.store.registry_server import tar_of


def nobody(_: object) -> list[User]:
    """Say what /proc says of other users' processes, and of those of other containers."""
    return []


@pytest.fixture
def gateway(tmp_path: Path) -> RunningGateway:
    return RunningGateway(tmp_path)


def pulled_voice(gateway: RunningGateway, folder: Path) -> str:
    """Pull the embedded voice from a server into the gateway's store; return its reference."""
    settings = VOICE.with_name(f"{VOICE.name}.json")
    files = {path.name: path.read_bytes() for path in (VOICE, settings)}
    with serve_files() as server:
        model = Store(gateway.store).pull(server.put("/voice.tar", tar_of(files)))
    gateway.add_card("voice", f"name: voice\nbackend: piper\nmodel: {model.model}\n")
    return model.reference


def test_a_loaded_voice_is_not_removed(gateway: RunningGateway, tmp_path: Path) -> None:
    reference = pulled_voice(gateway, tmp_path)
    blind = Store(gateway.store, users=nobody)
    with gateway:
        said = gateway.http.post("/v1/audio/speech", json={"model": "voice", "input": "Hi."})
        assert said.status_code == 200
        with pytest.raises(InUse, match="localai stop"):
            blind.remove(reference)
        environ = os.environ | {"LOCALAI_STORE": str(gateway.store)}
        refused = subprocess.run(
            [sys.executable, "-m", "localai.cli", "rm", "voice", "--models", str(gateway.models)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert refused.returncode != 0
        assert str(gateway.worker("voice")["pid"]) in refused.stderr
        assert (
            gateway.http.post(
                "/v1/audio/speech", json={"model": "voice", "input": "Still here."}
            ).status_code
            == 200
        )

        deleted = gateway.http.post("/models/delete/voice")
        assert deleted.status_code == 200, deleted.text
        eventually(lambda: not Store(gateway.store).list() or None)
    assert not list(gateway.store.rglob("*.onnx"))


def test_a_model_whose_engine_never_opens_it_is_held_too(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    with serve_files() as server:
        model = Store(gateway.store).pull(server.put("/any.txt", b"weights"))
    gateway.add_card("parrot", f"name: parrot\nbackend: echo\nmodel: {model.model}\n")
    hello = {"model": "parrot", "messages": [{"role": "user", "content": "Hi."}]}
    with gateway:
        assert gateway.http.post("/v1/chat/completions", json=hello).status_code == 200
        pid = gateway.worker("parrot")["pid"]
        assert [user.pid for user in users_of([model.model])] == [pid]
        with pytest.raises(InUse):
            Store(gateway.store, users=nobody).remove(model.reference)
        os.kill(pid, 9)
        eventually(lambda: not users_of([model.model]) or None)
        assert Store(gateway.store).remove(model.reference).freed == 7
