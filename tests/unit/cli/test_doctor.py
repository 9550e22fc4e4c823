from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.cli.checked_cards import read_cards
from localai.cli.doctor_cards import check_files, check_profile
from localai.cli.doctor_checks import check_port
from localai.cli.doctor_engines import (
    check_acceleration,
    check_drivers,
    check_engines,
    check_requirements,
    packages_of,
)
from localai.cli.doctor_findings import Finding
from localai.cli.doctor_folders import LITTLE_DISK, check_all_folders
from localai.cli.listening import open_socket
from localai.hardware.cpu import Cpu
from localai.hardware.engines import Engine
from localai.hardware.gpu import Gpu
from localai.hardware.machine import Machine
from localai.hardware.memory import Memory
from localai.protocol.manifest import Manifest, read_manifests
from localai.settings import builtin_backends_folder, load_settings
from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import FakeGateway

PIP = f"{shlex.quote(sys.executable)} -m pip"
GPU = Gpu("nvidia", "RTX 4090", 24 * 2**30, 23 * 2**30, "cuda")


def machine(
    *gpus: Gpu, disk: int = 10**12, troubles: tuple[str, ...] = (), ram: int = 2**35
) -> Machine:
    memory = Memory(ram, ram)
    return Machine(Cpu("x", 8, ("avx2",)), memory, gpus, disk, troubles=troubles)


@pytest.fixture
def without_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are asked in their own tests; here they would only take time."""
    llama = Engine("llama-cpp-python", "0.3.36")
    monkeypatch.setattr("localai.hardware.engines.detect_engines", lambda: (llama,))


@pytest.fixture
def free_port() -> int:
    with open_socket("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.usefixtures("without_engines")
def test_a_machine_that_is_well_ends_with_0(localai: Callable[..., Ended], free_port: int) -> None:
    ended = localai("doctor", "--port", str(free_port))

    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "Nothing is wrong."
    for part in ("Machine", "Engines", "Packages", "Profile"):
        assert part in ended.out.splitlines()
    assert "llama-cpp-python  0.3.36, for the processor alone" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_json_has_all_of_it(localai: Callable[..., Ended], free_port: int) -> None:
    told = json.loads(localai("doctor", "--json", "--port", str(free_port)).out)

    assert told["ok"] is True
    assert told["findings"] == []
    assert told["profile"]["profile"] in {"cpu", "gpu-8g", "gpu-24g"}
    assert told["machine"]["cpu"]["cores"] >= 1
    assert told["machine"]["memory"]["total"] > told["machine"]["memory"]["free"] > 0
    assert told["engines"][0]["name"] == "llama-cpp-python"
    wanted = {"diffusers", "faster-whisper", "piper-tts", "sentence-transformers", "transformers"}
    assert wanted <= told["packages"].keys()
    assert all(told["packages"].values())


@pytest.mark.usefixtures("without_engines")
def test_what_is_wrong_comes_with_what_mends_it_and_ends_with_1(
    tmp_path: Path, localai: Callable[..., Ended], free_port: int
) -> None:
    missing = tmp_path / "none"
    ended = localai("doctor", "--models", str(missing), "--port", str(free_port))

    assert ended.code == 1
    assert f"error: models: the folder {missing} does not exist" in ended.out
    assert f"  mend: mkdir -p {missing}" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_a_wrong_setting_is_a_finding(
    localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_PORT", "many")
    ended = localai("doctor")

    assert ended.code == 1
    assert "error: port = 'many' (from the variable LOCALAI_PORT)" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_a_profile_whose_models_are_not_here_only_warns(
    localai: Callable[..., Ended], free_port: int
) -> None:
    ended = localai("doctor", "--profile", "cpu", "--port", str(free_port))

    assert ended.code == 0
    assert "warning: 'gpt-4' is not here yet: 'starter-chat' answers in its place" in ended.out
    assert "  mend: localai pull gpt-4 --profile cpu\n" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_it_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, localai: Callable[..., Ended], free_port: int
) -> None:
    home = tmp_path / "home"
    temp = tmp_path / "temp"
    left = temp / "localai-1-abc"  # of a gateway that was killed: the next start removes it
    left.mkdir(parents=True)
    (left / "in-use").touch()
    home.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    monkeypatch.setattr("tempfile.tempdir", None)

    assert localai("doctor", "--profile", "cpu", "--port", str(free_port)).code == 0
    assert list(home.rglob("*")) == []
    assert not (tmp_path / "data").exists()
    assert sorted(temp.rglob("*")) == [left, left / "in-use"]


@pytest.mark.usefixtures("without_engines")
@pytest.mark.parametrize("flag", ["--spool-dir", "--runtime-dir", "--models"])
def test_what_ends_a_start_is_an_error(
    tmp_path: Path, localai: Callable[..., Ended], free_port: int, flag: str
) -> None:
    arguments = (flag, str(tmp_path / "none"), "--port", str(free_port))

    assert localai("run", *arguments).code == 2
    ended = localai("doctor", *arguments)
    assert ended.code == 1
    assert f"the folder {tmp_path / 'none'} does not exist" in ended.out


@pytest.mark.usefixtures("without_engines")
def test_a_hub_that_is_no_address_is_wrong(
    localai: Callable[..., Ended], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.com")
    ended = localai("doctor", "--port", str(free_port))

    assert ended.code == 1
    assert "error: HF_ENDPOINT is 'hf-mirror.com', which is no address" in ended.out
    assert "  mend: unset HF_ENDPOINT" in ended.out


def test_a_port_that_another_program_has_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localai.cli.doctor_checks._SECONDS", 0.2)
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        (finding,) = check_port("127.0.0.1", port)

    assert finding.level == "error"
    assert f"Port {port} of 127.0.0.1 is taken" in finding.what
    assert finding.mend == "localai run --port 0"


@pytest.mark.parametrize(
    ("host", "mend"),
    [
        ("no such host", "localai run --host 127.0.0.1"),
        ("/run/x.sock", "localai run --socket /run/x.sock"),
        ("192.0.2.1", "localai run --host 127.0.0.1"),
    ],
)
def test_a_host_that_cannot_be_had_leads_to_one_that_can(
    host: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localai.cli.doctor_checks._is_localai", lambda host, port: False)
    (finding,) = check_port(host, 65535)

    assert finding.mend == mend


def test_a_port_that_localai_has_already_is_not(gateway: FakeGateway) -> None:
    gateway.answer_json("GET", "/ready", {"status": "ready", "models": 3})

    assert list(check_port("127.0.0.1", int(gateway.url.rpartition(":")[2]))) == []


def test_folders_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "my models"
    models.mkdir()
    settings = load_settings(models=models, spool_dir=tmp_path, runtime_dir=tmp_path / "none")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = list(check_all_folders(settings, machine(disk=LITTLE_DISK - 1)))

    assert [(one.level, one.what.split(":")[0]) for one in found] == [
        ("warning", f"The folder {models} cannot be written"),
        ("error", "store"),
        ("warning", f"Only 2.0 GB are free for models at {settings.store}"),
        ("error", "runtime_dir"),
        ("error", "spool_dir"),
    ]
    assert found[0].mend == f"sudo chown {os.getuid()} '{models}'"


def test_a_store_that_cannot_be_written_matters_where_something_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != store)

    for more, level in (
        ({}, "warning"),
        ({"profile": "cpu"}, "error"),
        ({"preload": "x"}, "error"),
    ):
        settings = load_settings(None, models=tmp_path, store=store, **more)
        (finding,) = check_all_folders(settings, machine())
        assert (finding.level, finding.mend) == (level, f"sudo chown {os.getuid()} {store}")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for store in (tmp_path / "file", tmp_path / "file/store"):
        (finding,) = check_all_folders(load_settings(models=tmp_path, store=store), machine())
        assert finding.level == "error"
        assert finding.what.startswith("store: ")
        assert finding.mend == "move that file away, or name another folder with --store"


def test_a_missing_folder_is_made_by_a_line_that_can_be_pasted(tmp_path: Path) -> None:
    missing = tmp_path / "my models"
    settings = load_settings(models=missing, spool_dir=tmp_path / "a b")
    found = list(check_all_folders(settings, machine()))

    assert [one.mend for one in found] == [
        f"mkdir -p '{missing}'",
        f"mkdir -p '{tmp_path / 'a b'}'",
    ]


def llama(*apis: str) -> Engine:
    return Engine("llama-cpp-python", "0.3.36", apis, apis)  # type: ignore[arg-type]


def test_a_gpu_that_the_engine_cannot_use_is_told_with_the_build() -> None:
    (finding,) = check_acceleration(machine(GPU), [llama()])

    assert finding.level == "warning"
    assert finding.mend == (
        f"CMAKE_ARGS=-DGGML_CUDA=on {PIP} install --force-reinstall --no-deps --no-cache-dir "
        "llama-cpp-python==0.3.36"
    )
    assert list(check_acceleration(machine(GPU), [llama("cuda")])) == []
    assert list(check_acceleration(machine(), [llama()])) == []


@pytest.mark.parametrize(
    ("engine", "mend"),
    [
        (Engine("torch", "2.13.0+cpu"),
         f"{PIP} install --extra-index-url https://download.pytorch.org/whl/cu126 "
         "torch==2.13.0+cu126"),
        (Engine("ctranslate2", "4.8.5"),
         f"{PIP} install --force-reinstall --no-deps ctranslate2==4.8.5"),
        (Engine("onnxruntime", "1.31.1"),
         f"{PIP} uninstall --yes onnxruntime && {PIP} install onnxruntime-gpu==1.31.1"),
        (Engine("torch", "2.13.0+cu126", ("cuda",), ()),
         "install or restart the GPU's driver, and let this user (or container) see the GPU"),
    ],
)  # fmt: skip
def test_every_engine_without_the_gpu_is_told(engine: Engine, mend: str) -> None:
    (finding,) = check_acceleration(machine(GPU), [llama("cuda"), engine], {"onnxruntime"})

    assert (finding.level, finding.mend) == ("warning", mend)


def test_a_mac_gets_torch_without_the_name_of_a_build() -> None:
    mac = Gpu("apple", "M2", 2**34, None, "metal", shares_memory=True)
    (finding,) = check_acceleration(machine(mac), [Engine("torch", "2.13.0")])

    assert finding.mend == f"{PIP} install --force-reinstall --no-deps torch==2.13.0"


def test_speech_on_the_processor_is_no_mistake_unless_a_card_wants_the_gpu(tmp_path: Path) -> None:
    plain = read_cards(load_settings(models=tmp_path))
    (tmp_path / "a.yaml").write_text("name: a\nbackend: piper\nmodel: a.onnx\n", "utf-8")
    text = "name: b\nbackend: piper\nmodel: a.onnx\noptions: {use_cuda: true}\n"
    (tmp_path / "b.yaml").write_text(text, "utf-8")

    assert plain.wanted_engines == set()
    assert read_cards(load_settings(models=tmp_path)).wanted_engines == {"onnxruntime"}
    onnx = Engine("onnxruntime", "1.31.1")
    assert list(check_acceleration(machine(GPU), [onnx], plain.wanted_engines)) == []


def test_without_pip_the_image_is_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localai.cli.doctor_findings._has_pip", lambda: False)

    for engine in (llama(), Engine("torch", "2.13.0+cpu"), Engine("ctranslate2", "4.8.5")):
        (finding,) = check_acceleration(machine(GPU), [engine])
        assert finding.mend == (
            "there is no pip here: build an image that has it with `make image ACCEL=cuda12`"
        )


def test_a_driver_in_trouble_is_a_warning() -> None:
    (finding,) = check_drivers(machine(troubles=("`nvidia-smi` ended",)))

    assert (finding.level, finding.what) == ("warning", "`nvidia-smi` ended")


def test_an_engine_that_cannot_be_imported_is_an_error() -> None:
    broken = Engine("ctranslate2", "4.8.5", trouble="ImportError: libfoo.so")

    assert list(check_engines([broken, Engine("torch", None)])) == [
        Finding(
            "error",
            "ctranslate2 cannot be used: ImportError: libfoo.so",
            f"{PIP} install --force-reinstall --no-deps ctranslate2==4.8.5",
        )
    ]


def test_packages_that_are_missing_or_of_another_version() -> None:
    backends = read_manifests(builtin_backends_folder())
    versions = {"faster-whisper": "1.2.1", "torch": "2.13.0+cpu"}

    def check(versions: dict[str, str], section: str = "cpu") -> list[Finding]:
        return list(check_requirements(backends, ["faster_whisper"], section, versions.get))

    (missing,) = check(versions)
    assert (missing.level, missing.mend) == ("error", f"{PIP} install ctranslate2==4.8.5")
    (finding,) = check(versions | {"ctranslate2": "4.0.0"})
    assert finding.level == "warning"
    assert "tried with ctranslate2==4.8.5, and 4.0.0 is installed" in finding.what
    whole = versions | {"ctranslate2": "4.8.5+cuda"}
    assert check(whole) == []


def test_the_packages_of_the_accelerator_are_checked_too() -> None:
    backends = read_manifests(builtin_backends_folder())
    versions = {"faster-whisper": "1.2.1", "ctranslate2": "4.8.5"}
    here = versions | {"nvidia-cublas-cu12": "12.6", "nvidia-cudnn-cu12": "9.5.1"}

    (finding,) = check_requirements(backends, ["faster_whisper"], "cuda12", versions.get)
    assert finding.level == "warning"  # CUDA may be there without pip
    assert finding.mend == f"{PIP} install nvidia-cublas-cu12 'nvidia-cudnn-cu12==9.*'"
    assert list(check_requirements(backends, ["faster_whisper"], "cuda12", here.get)) == []
    assert list(check_requirements(backends, ["faster_whisper"], "rocm", versions.get)) == []


@pytest.mark.parametrize(
    ("line", "version", "level"),
    [
        ("av>=14", "14.0.0", None), ("av>=14", "13.9", "error"), ("av>=14", None, "error"),
        ("av>=14,<16", "16.0", "error"), ("av~=14.1", "14.0", "error"),
        ("av!=14.1", "14.1", "error"),
        ("av", "0.1", None), ("av==14.*", "14.9", None), ("av==14.*", "15.0", "warning"),
        ("av==14.0", "14.0+cu12", None), ("av>=14", "15.0rc1", None),
        ("av[x]>=14; python_version>='3'", "13", "error"),
        ("av>=14; python_version<'3'", None, None),
        ("https://host/av.whl", None, None), ("./av", None, None),
    ],
)  # fmt: skip
def test_requirements_mean_what_they_mean_for_pip(
    line: str, version: str | None, level: str | None
) -> None:
    manifest = Manifest(
        name="b", description="", capabilities=[], entry="x:Y", requirements={"cpu": [line]}
    )
    backends = {"b": (Path(), manifest)}
    found = check_requirements(backends, ["b"], "cpu", {"av": version}.get)

    assert [one.level for one in found] == ([] if level is None else [level])


def test_every_package_of_the_backends_is_listed() -> None:
    backends = read_manifests(builtin_backends_folder())

    packages = packages_of(backends, "cuda12", {"torch": "2"}.get)
    assert packages["torch"] == "2"
    assert packages["nvidia-cublas-cu12"] is None
    assert "nvidia-cublas-cu12" not in packages_of(backends, "cpu", {"torch": "2"}.get)


def test_broken_cards_missing_files_and_clashes_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "my cards"
    folder.mkdir()
    (folder / "a.yaml").write_text("name: a\nbackend: echo\nx: 1\n", "utf-8")
    (folder / "b.yaml").write_text("name: b\nbackend: llama_cpp\nmodel: no.gguf\n", "utf-8")
    (folder / "c.yaml").write_text("name: c\nbackend: echo\n", "utf-8")
    (folder / "d.yaml").write_text("name: c\nbackend: echo\n", "utf-8")
    settings = load_settings(models=folder)
    checked = read_cards(settings)
    found = [*checked.findings, *check_files(settings, checked.cards)]

    assert [(one.level, one.mend) for one in found] == [
        ("error", f"localai card check '{folder / 'a.yaml'}'"),
        ("warning", "rename one of the two"),
        ("error", f"put that file there, or correct the path in '{folder / 'b.yaml'}'"),
    ]
    assert f"{folder / 'no.gguf'} does not exist" in found[2].what


def test_a_model_from_elsewhere_is_pulled_by_its_card(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: a\nbackend: llama_cpp\nmodel: hf://x/y/z.gguf\n", "utf-8"
    )
    settings = load_settings(models=tmp_path, store=tmp_path / "the store")
    (finding,) = check_files(settings, read_cards(settings).cards)

    assert finding.level == "error"
    assert finding.mend == f"localai pull a --models {tmp_path} --store '{tmp_path / 'the store'}'"


def test_a_machine_that_is_too_small_for_its_profile_is_told(tmp_path: Path) -> None:
    settings = load_settings(models=tmp_path, profile="cpu")
    cards = read_cards(settings).cards
    small = list(check_profile(settings, machine(ram=2 * 2**30, disk=10**9), cards))

    assert [one.level for one in small] == ["warning", "warning"]
    assert "needs about 8.0 GB of memory, and there are 2.1 GB here" in small[0].what
    assert "10.3 GB, and 1.0 GB are free" in small[1].what
    assert list(check_profile(settings, machine(), cards)) == []
    plain = load_settings(models=tmp_path)
    assert list(check_profile(plain, machine(ram=2**30, disk=0), cards)) == []


def test_a_backend_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/backend.yaml").write_text("name: bad\n", "utf-8")
    settings = load_settings(models=tmp_path, backends=(tmp_path,))

    (finding,) = read_cards(settings).findings
    assert str(tmp_path / "bad/backend.yaml") in finding.what


@pytest.mark.usefixtures("without_engines")
@pytest.mark.parametrize("missing", [True, False])
def test_a_socket_where_none_can_be_is_wrong(
    localai: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "nofolder/x.sock" if missing else tmp_path / "file"
    by_option = localai("doctor", "--socket", str(path))
    monkeypatch.setenv("LOCALAI_SOCKET", str(path))

    for ended in (by_option, localai("doctor")):
        assert ended.code == 1
        assert str(path.parent if missing else path) in ended.out


@pytest.mark.usefixtures("without_engines")
def test_the_doctor_knows_what_is_asked_for_at_the_start(
    localai: Callable[..., Ended], free_port: int
) -> None:
    assert localai("doctor", "--port", str(free_port), "--preload", "qwen3-4b").code == 0
