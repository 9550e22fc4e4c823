"""A backend is a folder: adding one touches nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.fault.calls import answer_of, chat, error_of
from tests.fault.conftest import Start

MANIFEST = """\
name: shout
description: Answers in capitals.
capabilities: [chat]
entry: worker:Shout
needs_model: false
load_timeout: {timeout}
options:
  mark: {{type: string, default: "!", description: What ends the answer.}}
"""
WORKER = """\
import time
from localai.protocol.capabilities import Capability
from localai.protocol.events import Finished, TextDelta, Usage
from localai.protocol.launch import WorkerInfo
from localai.worker.backend import Backend
from .voice import raised

class Shout(Backend):
    async def load(self):
        if self.spec.options["mark"] == "hang":
            time.sleep(3600)
        return WorkerInfo(name=self.spec.name, backend="shout",
                          capabilities=[Capability.CHAT], max_concurrent=1)

    async def chat(self, request):
        yield TextDelta(raised(request.messages[-1].text()) + self.spec.options["mark"])
        yield Finished("stop")
        yield Usage(1, 1)
"""


def write_backend(tmp_path: Path, timeout: float = 30) -> Path:
    folder = tmp_path / "backends" / "shout"
    folder.mkdir(parents=True)
    (folder / "backend.yaml").write_text(MANIFEST.format(timeout=timeout))
    (folder / "worker.py").write_text(WORKER)
    (folder / "voice.py").write_text("def raised(text):\n    return text.upper()\n")
    return folder.parent


def test_backend_in_a_folder_answers(start: Start, tmp_path: Path) -> None:
    cards = {"loud": "name: loud\nbackend: shout\noptions: {mark: '?'}\n"}
    gateway = start(cards, backends=write_backend(tmp_path))
    assert answer_of(chat(gateway, "hello", model="loud")) == "HELLO?"
    refused = chat(gateway, "hello", model="loud", temperature=0.5)
    assert refused.status_code == 400
    assert error_of(refused)["param"] == "temperature"


def test_lenient_card_names_what_it_ignores(start: Start, tmp_path: Path) -> None:
    cards = {"loud": "name: loud\nbackend: shout\nlenient: true\n"}
    gateway = start(cards, backends=write_backend(tmp_path))
    answer = chat(gateway, "hello", model="loud", temperature=0.5, colour="red")
    assert answer_of(answer) == "HELLO!"
    assert answer.headers["x-localai-ignored"] == "colour, temperature"


def test_model_that_is_never_ready_fails_at_its_deadline(start: Start, tmp_path: Path) -> None:
    cards = {"loud": "name: loud\nbackend: shout\noptions: {mark: hang}\n"}
    gateway = start(cards, backends=write_backend(tmp_path, timeout=2))
    error = error_of(chat(gateway, "hello", model="loud"))
    assert "was not ready within 2 seconds" in error["message"]
    assert gateway.worker("loud")["pid"] is None
