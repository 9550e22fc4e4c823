from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.errors import LoadFailed
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import Manifest
from localai.worker.backend import Backend
from localai.worker.loading import import_backend

WORKER = """
from localai.worker.backend import Backend
from .words import WORD

class Parrot(Backend):
    word = WORD

    async def load(self):
        raise NotImplementedError

NOT_A_CLASS = Parrot

def not_a_backend():
    pass
"""


@pytest.fixture(autouse=True)
def imported_modules_are_forgotten() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("backends."):
            del sys.modules[name]


def write_backend(folder: Path, worker: str = WORKER, *, package: bool = True) -> Path:
    folder.mkdir()
    (folder / "worker.py").write_text(worker, "utf-8")
    (folder / "words.py").write_text("WORD = 'hello'\n", "utf-8")
    if package:
        (folder / "__init__.py").touch()
    return folder


def manifest(
    name: str = "parrot", entry: str = "worker:Parrot", requirements: list[str] | None = None
) -> Manifest:
    return Manifest(
        name=name,
        description="Repeats.",
        capabilities=[Capability.CHAT],
        entry=entry,
        requirements={"cpu": requirements} if requirements else {},
    )


@pytest.mark.parametrize("package", [True, False])
def test_a_backend_outside_the_import_path_is_found(tmp_path: Path, package: bool) -> None:
    path = list(sys.path)
    found = import_backend(write_backend(tmp_path / "parrot", package=package), manifest())
    assert issubclass(found, Backend)
    assert found.__name__ == "Parrot"
    assert vars(found)["word"] == "hello"
    assert sys.path == path


def test_a_backend_named_like_an_installed_package_hides_nothing(tmp_path: Path) -> None:
    worker = f"import orjson\nassert orjson.dumps\n{WORKER}"
    found = import_backend(write_backend(tmp_path / "orjson", worker), manifest("orjson"))
    assert found.__module__ == "backends.orjson.worker"
    assert "backends" not in str(sys.modules["orjson"].__file__)


def test_a_missing_engine_is_a_load_failure_with_the_command_that_installs_it(
    tmp_path: Path,
) -> None:
    folder = write_backend(tmp_path / "parrot", "import parrot_engine\n")
    with pytest.raises(LoadFailed) as caught:
        import_backend(folder, manifest(requirements=["parrot-engine>=1", "seeds"]))
    message = caught.value.message
    assert "No module named 'parrot_engine'" in message
    assert message.endswith("Install it with: pip install 'parrot-engine>=1' 'seeds'")


def test_a_missing_engine_without_requirements_has_no_command(tmp_path: Path) -> None:
    folder = write_backend(tmp_path / "parrot", "import parrot_engine\n")
    with pytest.raises(LoadFailed, match="parrot_engine") as caught:
        import_backend(folder, manifest())
    assert "pip install" not in caught.value.message


@pytest.mark.parametrize(
    "entry", ["worker:Macaw", "worker:not_a_backend", "worker", "words:WORD", "worker:"]
)
def test_an_entry_that_names_no_backend_is_a_load_failure(tmp_path: Path, entry: str) -> None:
    folder = write_backend(tmp_path / "parrot")
    with pytest.raises(LoadFailed, match="names no Backend") as caught:
        import_backend(folder, manifest(entry=entry))
    assert f"'{entry}'" in caught.value.message


def test_an_entry_in_a_module_that_is_not_there_is_a_load_failure(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="cannot be imported"):
        import_backend(write_backend(tmp_path / "parrot"), manifest(entry="wings:Parrot"))


_FROM_A_WHEEL = """
import subprocess
import sys
from pathlib import Path
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder
from localai.worker.loading import import_backend

root = str(Path(builtin_backends_folder()).parent)
sys.path[:] = [place for place in sys.path if place != root]
folder, manifest = read_manifests(builtin_backends_folder())["llama_cpp"]
print(import_backend(folder, manifest).__module__)
"""


def test_backends_are_found_where_their_folder_is_no_package(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", _FROM_A_WHEEL]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.stdout.strip() == "backends.llama_cpp.worker", ended.stderr
