"""Servers whose certificate no authority of the machine has signed, asked over real TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from localai.errors import ConfigError
from localai.gallery.fetching import fetch_text
from localai.network.reach import ANYWHERE, PUBLIC_MODELS
from localai.store.download import Patience
from localai.store.errors import Distrusted, FetchFailed, Unreachable, WrongFile
from localai.store.flights import Downloader
from localai.store.registry_certificates import folders_of
from localai.store.store import Store
from tests.unit.network.names import PUBLIC, Names
from tests.unit.store.content import gguf
from tests.unit.store.file_server import FileServer, serve_files
from tests.unit.store.hub_server import Hub
from tests.unit.store.registry_server import Blob, TokenRegistry, manifest_of, write_login

MODEL = gguf(300_000, 1)
CONFIG = Blob("application/vnd.docker.ai.model.config.v0.1+json", b"{}")
LAYER = Blob("application/vnd.docker.ai.gguf.v3", MODEL)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where podman has its settings."""
    folder = tmp_path / "home/.config/containers"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def store_in(folder: Path, public_only: bool = False) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    downloader = Downloader(chunk=100_000, patience=patience)
    return Store(folder / "store", downloader=downloader, public_only=public_only)


def shown_by(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@contextmanager
def registry(names: Names, tls: ssl.SSLContext | None, name: str = "nas.test") -> Iterator[str]:
    """Serve a model over TLS, and give the registry's host."""
    names.table["nas.test"] = [PUBLIC]
    with serve_files(tls=tls) as server:
        TokenRegistry(server).put("a/b", "v1", manifest_of(CONFIG, [LAYER]), [CONFIG, LAYER])
        yield f"{name}:{server.origin.rpartition(':')[2]}"


@pytest.fixture
def nas(authority: trustme.CA, names: Names) -> Iterator[str]:
    with registry(names, shown_by(authority, "nas.test")) as host:
        yield host


def trust(folder: Path, host: str, authority: trustme.CA) -> Path:
    place = folder / "certs.d" / host
    place.mkdir(parents=True)
    authority.cert_pem.write_to_path(str(place / "ca.crt"))
    return place


def pulled(store: Store, host: str) -> bytes:
    return store.pull(f"oci://{host}/a/b:v1").model.read_bytes()


def test_a_stranger_is_refused_with_what_to_do(nas: str, store: Store) -> None:
    with pytest.raises(Distrusted) as raised:
        pulled(store, nas)
    assert "is not trusted here" in raised.value.message
    assert f"/certs.d/{nas}/ca.crt" in raised.value.message
    assert not isinstance(raised.value, Unreachable)


@pytest.mark.parametrize("public_only", [False, True])
def test_the_authority_that_podman_trusts_counts_for_manifest_and_blobs(
    nas: str, authority: trustme.CA, config: Path, tmp_path: Path, public_only: bool
) -> None:
    trust(config, nas, authority)
    assert pulled(store_in(tmp_path, public_only), nas) == MODEL


def test_so_does_dockers(nas: str, authority: trustme.CA, config: Path, store: Store) -> None:
    trust(config.parent / "docker", nas, authority)
    assert pulled(store, nas) == MODEL


def test_it_counts_for_its_own_registry_alone(
    nas: str, authority: trustme.CA, config: Path, store: Store
) -> None:
    trust(config, "nas.test", authority)  # without the port another registry
    with pytest.raises(Distrusted):
        pulled(store, nas)


def test_the_first_folder_counts_alone(
    nas: str, authority: trustme.CA, config: Path, store: Store
) -> None:
    trust(config, nas, trustme.CA())
    trust(config.parent / "docker", nas, authority)
    with pytest.raises(Distrusted):
        pulled(store, nas)
    assert [str(path) for path in folders_of("h:1")][1::2] == [
        "/etc/containers/certs.d/h:1",
        "/etc/docker/certs.d/h:1",
    ]


def test_a_replaced_authority_counts_without_a_restart(
    nas: str, authority: trustme.CA, config: Path, store: Store
) -> None:
    place = trust(config, nas, trustme.CA())
    with pytest.raises(Distrusted):
        pulled(store, nas)
    authority.cert_pem.write_to_path(str(place / "ca.crt"))
    os.utime(place / "ca.crt", (1, 1))
    assert pulled(store, nas) == MODEL


@pytest.mark.parametrize("name", ["nas.test", "127.0.0.1"])
def test_a_registry_that_asks_for_a_certificate_gets_ours(
    authority: trustme.CA, names: Names, config: Path, store: Store, name: str
) -> None:
    wanting = shown_by(authority, name)
    wanting.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(wanting)
    with registry(names, wanting, name) as host:
        place = trust(config, host, authority)
        with pytest.raises(FetchFailed, match=r"client\.cert and client\.key"):
            pulled(store, host)
        mine = authority.issue_cert("me@nas.test")
        mine.cert_chain_pems[0].write_to_path(str(place / "client.cert"))
        mine.private_key_pem.write_to_path(str(place / "client.key"))
        assert pulled(store, host) == MODEL


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"ca.crt": b"\x30\x82 no PEM"}, "ca.crt cannot be read as certificates in PEM"),
        ({"client.cert": b"x"}, "client.key is missing"),
        ({"client.cert": b"x", "client.key": b"y"}, "client.cert with .*cannot be read"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    nas: str, config: Path, store: Store, files: dict[str, bytes], told: str
) -> None:
    place = config / "certs.d" / nas
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        pulled(store, nas)


def test_a_key_with_a_password_does_not_ask_for_it(
    nas: str, authority: trustme.CA, config: Path, store: Store
) -> None:
    """OpenSSL would, at the terminal."""
    from cryptography.hazmat.primitives import serialization as s

    place, mine = trust(config, nas, authority), authority.issue_cert("me@nas.test")
    key = s.load_pem_private_key(mine.private_key_pem.bytes(), None)
    locked = s.BestAvailableEncryption(b"secret")
    pem = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, locked)
    mine.cert_chain_pems[0].write_to_path(str(place / "client.cert"))
    (place / "client.key").write_bytes(pem)
    with pytest.raises(ConfigError, match=r"client\.key"):
        pulled(store, nas)


def test_one_that_is_marked_insecure_may_show_anything(
    nas: str, config: Path, store: Store
) -> None:
    (config / "registries.conf").write_text(f'[[registry]]\nlocation = "{nas}"\ninsecure = true\n')
    assert pulled(store, nas) == MODEL


def test_one_of_this_machine_may_too(
    authority: trustme.CA, names: Names, config: Path, store: Store
) -> None:
    """A port that leads to a registry elsewhere shows the name of that one."""
    with registry(names, shown_by(authority, "nas.test"), "127.0.0.1") as host:
        assert pulled(store, host) == MODEL
        trust(config, host, trustme.CA())
        with pytest.raises(Distrusted):
            store.pull(f"oci://{host}/a/b:v1", force=True)


def test_no_password_goes_to_plain_http_that_nobody_allowed(
    names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    with registry(names, None) as host:
        write_login(tmp_path / "auth.json", host, "somebody", "secret")
        with pytest.raises(FetchFailed, match=r"plain HTTP.*insecure = true"):
            pulled(store, host)


@pytest.fixture
def models(authority: trustme.CA, names: Names) -> Iterator[FileServer]:
    """A server of files that is known as models.test."""
    names.table["models.test"] = [PUBLIC]
    with serve_files(tls=shown_by(authority, "models.test")) as server:
        server.url = server.url.replace("127.0.0.1", "models.test")
        yield server


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("public_only", [False, True])
def test_the_environment_names_authorities_for_all_transports(
    models: FileServer, authority: trustme.CA, tmp_path: Path, variable: str,
    public_only: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    authority.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    monkeypatch.setenv(variable, str(tmp_path / "company.pem"))
    host = models.origin
    TokenRegistry(models).put("a/b", "v1", manifest_of(CONFIG, [LAYER]), [CONFIG, LAYER])
    store = store_in(tmp_path, public_only)
    assert store.pull(models.put("/m.gguf", MODEL)).model.read_bytes() == MODEL
    assert pulled(store, host) == MODEL
    models.put("/page", b"<html>")
    with pytest.raises(WrongFile, match="is a web page, not the text itself"):
        fetch_text(f"{models.url}/page")
    models.put("/index.yaml", b"- name: x")
    assert (
        fetch_text(f"{models.url}/index.yaml", PUBLIC_MODELS if public_only else ANYWHERE)
        == "- name: x"
    )


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_and_for_the_hub(
    models: FileServer, authority: trustme.CA, tmp_path: Path, variable: str, store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_ENDPOINT", models.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    authority.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    monkeypatch.setenv(variable, str(tmp_path / "company.pem"))
    Hub(models, models).put("org/repo", {"a.gguf": MODEL})
    assert store.pull("hf://org/repo").model.read_bytes() == MODEL


def test_strangers_are_told_by_all_transports(
    models: FileServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", models.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    for text in (models.put("/m.gguf", MODEL), "hf://org/repo"):
        with pytest.raises(Distrusted, match=r"not trusted here .*SSL_CERT_FILE"):
            store.pull(text)
    with pytest.raises(Distrusted, match="SSL_CERT_FILE"):
        fetch_text(f"{models.url}/index.yaml")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_file_that_is_not_there_is_named(
    models: FileServer, store: Store, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/nowhere/company.pem")
    with pytest.raises(ConfigError, match=r"/nowhere/company\.pem"):
        store.pull(models.put("/m.gguf", MODEL))


def test_another_name_is_no_matter_of_authorities(
    authority: trustme.CA, names: Names, config: Path, store: Store
) -> None:
    with registry(names, shown_by(authority, "other.test")) as host:
        trust(config, host, authority)
        with pytest.raises(Distrusted, match=r"nas\.test.*compare the clock"):
            pulled(store, host)


# --- where a registry leads to ---


@contextmanager
def leading_away(tls: ssl.SSLContext | None, to: FileServer) -> Iterator[str]:
    """Serve a registry of this machine whose blob is elsewhere, and give its host."""
    with serve_files(tls=tls) as server:
        TokenRegistry(server).put("a/b", "v1", manifest_of(CONFIG, [LAYER]), [CONFIG, LAYER])
        server.redirects[f"/v2/a/b/blobs/{LAYER.digest}"] = to.put("/blob", MODEL)
        yield server.origin


@pytest.mark.parametrize("public_only", [False, True])
@pytest.mark.parametrize("has_tls", [False, True])
def test_where_a_registry_of_this_machine_leads_to_not_any_certificate_is_good(
    authority: trustme.CA, names: Names, config: Path, tmp_path: Path, has_tls: bool,
    public_only: bool,
) -> None:  # fmt: skip
    tls, store = shown_by(authority, "127.0.0.1"), store_in(tmp_path, public_only)
    with serve_files(tls=tls) as cdn, leading_away(tls if has_tls else None, cdn) as host:
        with pytest.raises(Distrusted, match=f"which leads to {cdn.origin}, cannot"):
            pulled(store, host)
        assert not cdn.asked
        trust(config, host, authority)  # which counts for where it leads, as for podman
        assert pulled(store, host) == MODEL


def test_no_password_goes_to_an_address_for_tokens_that_shows_any_certificate(
    authority: trustme.CA, names: Names, config: Path, store: Store,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    names.table |= {"reg.corp.test": [PUBLIC], "auth.corp.test": [PUBLIC]}
    tls = shown_by(authority, "nobody.test")
    with serve_files(tls=tls) as server, serve_files(tls=tls) as tokens:
        realm = f"{tokens.url.replace('127.0.0.1', 'auth.corp.test')}/token"
        registry = TokenRegistry(server, realm)
        registry.put("a/b", "v1", manifest_of(CONFIG, [LAYER]), [CONFIG, LAYER])
        tokens.routes["/token"] = registry.give_token
        host = server.origin.replace("127.0.0.1", "reg.corp.test")
        insecure = f'[[registry]]\nlocation = "{host}"\ninsecure = true\n'
        (config / "registries.conf").write_text(insecure)
        write_login(tmp_path / "auth.json", host, "somebody", "secret")
        with pytest.raises(Distrusted):
            pulled(store, host)
        assert server.asked
        assert not tokens.asked


def test_our_certificate_is_shown_to_its_registry_alone(
    authority: trustme.CA, config: Path, store: Store
) -> None:
    wanting = shown_by(authority, "127.0.0.1")
    wanting.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(wanting)
    with serve_files(tls=wanting) as cdn, leading_away(wanting, cdn) as host:
        place = trust(config, host, authority)
        mine = authority.issue_cert("me@nas.test")
        mine.cert_chain_pems[0].write_to_path(str(place / "client.cert"))
        mine.private_key_pem.write_to_path(str(place / "client.key"))
        with pytest.raises(FetchFailed, match="cannot be fetched"):
            pulled(store, host)
        assert not cdn.asked


# --- what cannot be read ---


def test_a_folder_that_is_not_there_is_no_matter_beside_a_file(
    models: FileServer, authority: trustme.CA, tmp_path: Path, store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    authority.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert store.pull(models.put("/m.gguf", MODEL)).model.read_bytes() == MODEL


def test_of_a_file_and_a_folder_the_one_that_failed_is_named(
    models: FileServer, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/company.pem")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^/nowhere/company\.pem, which"):
        store.pull(models.put("/m.gguf", MODEL))


def forbid(patch: pytest.MonkeyPatch, where: type, name: str, which: Path) -> None:
    """Let a method fail for one path, as it does for who is not root."""
    really = getattr(where, name)

    def forbidden(*args: Any, **options: Any) -> Any:
        if which in args:
            raise PermissionError(13, "Permission denied", str(which))
        return really(*args, **options)

    patch.setattr(where, name, forbidden)


def test_a_key_that_may_not_be_read_is_done_without(
    nas: str, authority: trustme.CA, config: Path, store: Store,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    place = trust(config, nas, authority)
    for name in ("client.cert", "client.key"):
        (place / name).write_bytes(b"x")
    forbid(monkeypatch, ssl.SSLContext, "load_cert_chain", place / "client.key")
    assert pulled(store, nas) == MODEL
    assert "client.key may not be read by this user: connecting without it" in caplog.text


def test_a_folder_that_may_not_be_searched_is_passed_over(
    nas: str, authority: trustme.CA, config: Path, store: Store,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    place = trust(config, nas, trustme.CA())
    for name in ("client.cert", "client.key"):
        (place / name).write_bytes(b"x")
    trust(config.parent / "docker", nas, authority)
    forbid(monkeypatch, Path, "stat", place / "client.key")
    assert pulled(store, nas) == MODEL
    assert f"{place} may not be read by this user: passing over it" in caplog.text
