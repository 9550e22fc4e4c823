from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.ended import Ended
from tests.unit.cli.fake_gateway import Answer, FakeGateway
from tests.unit.cli.minimal_gguf import minimal_gguf

GGUF = minimal_gguf()


@pytest.fixture
def url(gateway: FakeGateway, models: Path, localai: Callable[..., Ended]) -> str:
    """The address of a model that is pulled under the name `m`."""
    gateway.answer("GET", "/files/M.gguf", Answer(200, GGUF, {"content-length": str(len(GGUF))}))
    url = f"{gateway.url}/files/M.gguf"
    assert localai("pull", url).code == 0
    return url


def model_file(models: Path, name: str = "m") -> Path:
    return Path(yaml.safe_load((models / f"{name}.yaml").read_text("utf-8"))["model"])


def test_list_shows_pulled_models_and_own_files(
    url: str, models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(GGUF)
    localai("pull", str(own))
    lines = [line.split() for line in localai("list").out.splitlines()]

    assert lines[0] == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert [line[0] for line in lines[1:]] == ["m", "own"]
    assert lines[1][2:4] == ["5.0", "kB"]
    told = json.loads(localai("list", "--json").out)
    assert (told[0]["reference"], told[0]["size"]) == (url, len(GGUF))
    assert told[1]["reference"] == str(own)


def test_show_takes_a_name_a_reference_and_an_id(
    url: str, models: Path, localai: Callable[..., Ended]
) -> None:
    told = json.loads(localai("show", "m", "--json").out)
    assert told["model"] == str(model_file(models))
    assert told["files"][0]["size"] == len(GGUF)
    assert json.loads(localai("show", url, "--json").out)["id"] == told["id"]
    assert localai("show", told["id"][:6]).out.startswith("m\n")
    missing = localai("show", "n")
    assert missing.code == 1
    assert "Did you mean 'm'" in missing.err or "There is no model 'n'" in missing.err


@pytest.mark.parametrize("by_reference", [True, False])
def test_rm_removes_the_card_and_the_file(
    url: str, models: Path, localai: Callable[..., Ended], by_reference: bool
) -> None:
    path = model_file(models)
    ended = localai("rm", url if by_reference else "m")
    assert ended.code == 0
    assert "5.0 kB became free" in ended.out
    assert not path.exists()
    assert list(models.iterdir()) == []


def test_rm_leaves_what_another_card_runs(
    url: str, models: Path, localai: Callable[..., Ended]
) -> None:
    assert localai("cp", "m", "n").code == 0
    path = model_file(models, "n")
    assert "0 B became free" in localai("rm", "m").out
    assert path.exists()
    assert "5.0 kB became free" in localai("rm", "n").out
    assert not path.exists()


def test_rm_refuses_a_model_in_use_and_keeps_its_card(
    url: str, models: Path, localai: Callable[..., Ended]
) -> None:
    path = model_file(models)
    program = f"import sys; f = open({str(path)!r}); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "ready\n"
        refused = localai("rm", "m")
        assert refused.code == 1
        assert str(user.pid) in refused.err
        assert (models / "m.yaml").exists()
        assert localai("rm", "m", "--force").code == 0
        user.communicate()
    assert not path.exists()


def test_rm_of_an_own_file_removes_only_the_card(
    models: Path, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(GGUF)
    localai("pull", str(own))
    assert localai("rm", "own").code == 0
    assert own.exists()
    assert list(models.iterdir()) == []


def test_cp_shares_the_file_and_refuses_a_taken_name(
    url: str, models: Path, localai: Callable[..., Ended]
) -> None:
    assert localai("cp", "m", "n").code == 0
    assert model_file(models, "n") == model_file(models)
    assert "already a model 'n'" in localai("cp", "m", "n").err
    assert localai("cp", "m", "../x").code == 2


def test_prune_and_df_speak_of_what_is_left_over(
    url: str, tmp_path: Path, localai: Callable[..., Ended]
) -> None:
    (tmp_path / "store/url/left.gguf.part").write_bytes(bytes(4096))
    assert json.loads(localai("df", "--json").out)["unfinished"] == 4096
    assert "0 files removed" in localai("prune").out
    pruned = localai("prune", "--all").out
    assert pruned.startswith("url/left.gguf.part\n1 files removed")
    assert str(tmp_path / "store") in localai("df").out


@pytest.mark.parametrize("own", [True, False])
def test_a_model_is_carried_to_another_machine(
    url: str,
    models: Path,
    tmp_path: Path,
    localai: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    own: bool,
) -> None:
    if own:
        (tmp_path / "own.gguf").write_bytes(GGUF)
        localai("pull", str(tmp_path / "own.gguf"), "--name", "m", "--force")
    tar = tmp_path / "m.tar"
    assert localai("export", "m", str(tar)).code == 0
    assert "already there" in localai("export", "m", str(tar)).err
    other = tmp_path / "other/models"
    other.mkdir(parents=True)
    monkeypatch.setenv("LOCALAI_MODELS", str(other))
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "other/store"))
    ended = localai("import", str(tar), "--name", "far")

    assert (ended.code, ended.err) == (0, "")
    path = model_file(other, "far")
    assert path.is_relative_to(tmp_path / "other/store")
    assert path.read_bytes() == GGUF
