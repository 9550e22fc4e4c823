"""Pictures that fail: typed, with what to do, and the next call works."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.fault.calls import error_of
from tests.fault.conftest import Start
from tests.gateways import RunningGateway, eventually
from tests.unit.diffusers.tiny import save_stable_diffusion

TIMEOUT = 180


def draw(gateway: RunningGateway, prompt: str, **fields: Any) -> httpx2.Response:
    body = {"model": "echo", "prompt": prompt, "response_format": "b64_json", **fields}
    return httpx2.post(f"{gateway.url}/v1/images/generations", json=body, timeout=TIMEOUT)


def stream(gateway: RunningGateway, prompt: str) -> list[str]:
    answer = draw(gateway, prompt, stream=True, partial_images=1)
    assert answer.status_code == 200
    return [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]


def size_of(answer: httpx2.Response) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"]))).size


def test_failure_before_the_first_step_keeps_its_status(start: Start) -> None:
    gateway = start()
    for fields in ({}, {"stream": True}):
        answer = draw(gateway, "red [[fail=before]]", **fields)
        assert answer.status_code == 500
        assert error_of(answer)["code"] == "echo_fail_before"
    assert size_of(draw(gateway, "red")) == (64, 64)


def test_failure_in_the_middle_is_a_status_or_the_last_frame(start: Start) -> None:
    gateway = start()
    assert error_of(draw(gateway, "red [[fail=mid]]"))["code"] == "echo_fail_mid"
    *_, last = stream(gateway, "red [[fail=mid]]")
    assert json.loads(last)["error"]["code"] == "echo_fail_mid"


def test_crash_in_the_middle_is_typed_and_the_next_call_works(start: Start) -> None:
    gateway = start()
    answer = draw(gateway, "red [[crash=mid]]")
    assert (answer.status_code, error_of(answer)["code"]) == (502, "worker_crashed")
    *_, last = stream(gateway, "red [[crash=mid]] [[slow=0.05]]")
    assert json.loads(last)["error"]["code"] == "worker_crashed"
    assert size_of(draw(gateway, "red")) == (64, 64)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "in-use"]


def test_no_file_outlives_its_call_or_its_time(start: Start, tmp_path: Path) -> None:
    gateway = start(spool_dir=tmp_path, file_ttl="300ms")
    photo = io.BytesIO()
    Image.new("RGB", (20, 20)).save(photo, "PNG")
    url = f"{gateway.url}/v1/images/edits"
    for content, status in ((photo.getvalue(), 200), (b"Example data", 400)):
        answer = httpx2.post(
            url, files={"image": content, "mask": content},
            data={"prompt": "x", "model": "echo"}, timeout=TIMEOUT,
        )  # fmt: skip
        assert answer.status_code == status, answer.text
    answer = draw(gateway, "red", response_format="url", n=3)
    assert len(answer.json()["data"]) == 3
    eventually(lambda: not files_in(tmp_path))
    gateway.process.terminate()
    gateway.process.wait(30)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("tiny") / "sd")


def test_lack_of_memory_is_told_and_the_worker_lives(start: Start, model: Path) -> None:
    # Sliced attention keeps a whole matrix of all places by all places: 256 GiB here.
    options = "{max_pixels: 20000000, attention_slicing: true, steps: 1}"
    gateway = start(
        {"tiny": f"name: tiny\nbackend: diffusers\nmodel: {model}\noptions: {options}\n"}
    )
    assert size_of(draw(gateway, "red", model="tiny")) == (64, 64)
    pid = gateway.worker("tiny")["pid"]
    answer = draw(gateway, "red", model="tiny", size="4096x4096")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "out_of_memory")
    assert answer.headers["x-should-retry"] == "false"
    assert "smaller 'size'" in error_of(answer)["message"]
    assert size_of(draw(gateway, "red", model="tiny")) == (64, 64)
    assert gateway.worker("tiny")["pid"] == pid


def test_model_with_pickles_alone_does_not_load_and_says_so(
    start: Start, model: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    (weights,) = (copy / "unet").glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    gateway = start({"tiny": f"name: tiny\nbackend: diffusers\nmodel: {copy}\n"})
    answer = draw(gateway, "red", model="tiny")
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (500, "model_load_failed")
    assert "a pickle, which can run any code" in error["message"]
    assert error["phase"] == "load"
