from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.store.insecure_registries import is_insecure
from localai.store.transports.registry import Repository
from tests.unit.network.names import PUBLIC, Names
from tests.unit.store.file_server import FileServer
from tests.unit.store.registry_server import Blob, TokenRegistry, manifest_of


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return path


def test_podmans_narrowest_prefix_counts(settings: Path) -> None:
    settings.write_text(
        '[[registry]]\nlocation = "nas.lan:5000"\ninsecure = true\n'
        '[[registry]]\nprefix = "nas.lan:5000/sealed"\nlocation = "x"\n'
        '[[registry]]\nprefix = "*.office.lan"\ninsecure = true\n'
    )
    assert is_insecure("nas.lan:5000", "ai/smol")
    assert not is_insecure("nas.lan:5000", "sealed/smol")
    assert is_insecure("a.office.lan:80", "ai/smol")
    assert not is_insecure("nas.lan", "ai/smol")
    assert not is_insecure("office.lan.evil.example", "ai/smol")


def test_dockers_list_counts_too(settings: Path, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    listed = {"insecure-registries": ["nas.lan:5000"]}
    (tmp_path / "docker/daemon.json").write_text(json.dumps(listed))
    assert is_insecure("nas.lan:5000", "ai/smol")
    assert not is_insecure("nas.lan:5001", "ai/smol")


@pytest.mark.parametrize("content", ["[[registry", "registry = 3", "[[registry]]\nlocation = 3"])
def test_settings_that_cannot_be_read_allow_nothing(settings: Path, content: str) -> None:
    settings.write_text(content)
    assert not is_insecure("nas.lan:5000", "ai/smol")


def test_such_a_registry_is_asked_without_tls(
    server: FileServer, names: Names, settings: Path
) -> None:
    names.table["nas.test"] = [PUBLIC]
    host = f"nas.test:{server.origin.rpartition(':')[2]}"
    settings.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    config = Blob("application/vnd.docker.ai.model.config.v0.1+json", b"{}")
    TokenRegistry(server).put("a/b", "v1", manifest_of(config, []), [config])

    data, _ = Repository(host, "a/b").manifest("v1")
    assert data["schemaVersion"] == 2
    assert Repository("nas.other", "a/b").blob_url("sha256:1").startswith("https://")
