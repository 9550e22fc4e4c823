"""Registries: a real one where the program is there, and our own for what goes wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from localai.network import asking
from localai.store.errors import (
    AccessRefused,
    FetchFailed,
    NotInRegistry,
    UnreadableArtifact,
    UnsafeFile,
    WrongFile,
)
from localai.store.progress import Progress
from localai.store.store import Store
from localai.store.transports.registry import may_have_login
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Asked, FileServer, Reply
from tests.unit.store.registry_server import (
    Blob,
    Pusher,
    TokenRegistry,
    docker_registry,
    manifest_of,
    tar_of,
    write_login,
)

# bcrypt of "secret", made once: the real registry takes no other hash.
HTPASSWD = "somebody:$2b$05$m58AzIIaexMAT4.vxVm2e.BwPpHKi9XfwUf4Q4w8kykIztTrY74lK\n"
MODEL, PROJECTOR = gguf(300_000, 1), gguf(5000, 2)
DOCKER = "application/vnd.docker.ai."
CNCF = "application/vnd.cncf.model."
OLLAMA = "application/vnd.ollama.image."
PATH, TITLE = "org.cncf.model.filepath", "org.opencontainers.image.title"
ORAS_FOLDER = "io.deis.oras.content.unpack"
IMAGE_CONFIG = Blob("application/vnd.oci.image.config.v1+json", b'{"architecture":"amd64"}')
IMAGE_LAYER = "application/vnd.oci.image.layer.v1.tar"


def push(real: Pusher, name: str, config: Blob, *layers: Blob) -> str:
    real.push(name, "v1", manifest_of(config, list(layers)), [config, *layers])
    return f"oci://{real.host}/{name}:v1"


def files_of(store: Store, text: str) -> dict[str, bytes]:
    """Pull and return the content by the paths in the model's folder."""
    model = store.pull(text)
    return {
        path.relative_to(model.folder).as_posix(): path.read_bytes()
        for path in sorted(model.folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_docker_model_runner_v01_names_its_files_by_type(real: Pusher, store: Store) -> None:
    text = push(
        real,
        "ai/smol",
        Blob(f"{DOCKER}model.config.v0.1+json", b'{"config": {"format": "gguf"}}'),
        Blob(f"{DOCKER}gguf.v3", MODEL),
        Blob(f"{DOCKER}mmproj", PROJECTOR),
        Blob(f"{DOCKER}license", b"free"),
        Blob(f"{DOCKER}chat.template.jinja", b"{{ messages }}"),
    )
    assert files_of(store, text) == {
        "model.gguf": MODEL,
        "mmproj.gguf": PROJECTOR,
        "LICENSE": b"free",
        "chat_template.jinja": b"{{ messages }}",
    }
    model = store.find(text)
    assert model is not None
    assert model.model.name == "model.gguf"
    assert model.path_of("projector", store.folder) == model.folder / "mmproj.gguf"


def test_docker_model_runner_shards_and_v02_layers_a_file(real: Pusher, store: Store) -> None:
    split = push(
        real,
        "ai/split",
        Blob(f"{DOCKER}model.config.v0.1+json", b"{}"),
        Blob(f"{DOCKER}gguf.v3", gguf(100, 1)),
        Blob(f"{DOCKER}gguf.v3", gguf(100, 2)),
    )
    assert sorted(files_of(store, split)) == [
        "model-00001-of-00002.gguf",
        "model-00002-of-00002.gguf",
    ]
    text = push(
        real,
        "ai/folder",
        Blob(f"{DOCKER}model.config.v0.2+json", b'{"v": 2}'),
        Blob(f"{DOCKER}model.file", b"{}", {PATH: "config.json"}),
        Blob(f"{DOCKER}model.file", b"abc", {PATH: "sub/tokens.txt"}),
        Blob(f"{DOCKER}dir.tar", tar_of({"more/a.json": b"[]"})),
    )
    assert files_of(store, text) == {
        "config.json": b"{}",
        "sub/tokens.txt": b"abc",
        "more/a.json": b"[]",
    }


def test_modelpack_raw_and_tar_layers_come_and_code_does_not(real: Pusher, store: Store) -> None:
    text = push(
        real,
        "cncf/pack",
        Blob(f"{CNCF}config.v1+json", b"{}"),
        Blob(f"{CNCF}weight.v1.raw", MODEL, {PATH: "Pack-Q4.gguf"}),
        Blob(f"{CNCF}weight.config.v1.tar", tar_of({"tokenizer.json": b"{}"})),
        Blob(f"{CNCF}doc.v1.tar+gzip", tar_of({"README.md": b"# p"}, compressed=True)),
        Blob(f"{CNCF}code.v1.raw", b"import os", {PATH: "run.py"}),
    )
    assert files_of(store, text) == {
        "Pack-Q4.gguf": MODEL,
        "tokenizer.json": b"{}",
        "README.md": b"# p",
    }
    model = store.find(text)
    assert model is not None
    assert model.model.name == "Pack-Q4.gguf"
    assert "run.py" in model.notes[0]


@pytest.mark.parametrize("compressed", [True, False])
def test_an_image_gives_its_models_folder(real: Pusher, store: Store, compressed: bool) -> None:
    kind = IMAGE_LAYER + ("+gzip" if compressed else "")
    base = tar_of({"etc/passwd": b"root", "models/.wh.old": b""}, compressed)
    layer = tar_of({"models/granite.gguf": MODEL, "models/model.file": "granite.gguf"}, compressed)
    name = f"ramalama/granite{int(compressed)}"
    text = push(real, name, IMAGE_CONFIG, Blob(kind, base), Blob(kind, layer))

    # A link in the archive becomes a second name of its file.
    assert files_of(store, text) == {"granite.gguf": MODEL, "model.file": MODEL}
    model = store.find(text)
    assert model is not None
    assert model.model == model.folder / "granite.gguf"
    assert (model.folder / "model.file").samefile(model.model)


def test_a_later_layer_replaces_a_file_of_an_earlier_one(real: Pusher, store: Store) -> None:
    layers = [tar_of({"models/m.gguf": gguf(9000, seed)}) for seed in range(6)]
    text = push(real, "a/layers", IMAGE_CONFIG, *(Blob(IMAGE_LAYER, one) for one in layers))
    model = store.pull(text)
    assert model.model.read_bytes() == gguf(9000, 5)
    assert [file.sha256 for file in model.files] == [sha256(gguf(9000, 5))]
    seen: list[Progress] = []
    assert store.pull(text, progress=seen.append) == model
    assert [one.phase for one in seen] == ["linked"]


def test_ramalamas_artifacts_are_files_by_their_names(real: Pusher, store: Store) -> None:
    """`podman artifact add` guesses each type, and titles a file by its name in the store."""
    text = push(
        real,
        "ramalama/artifact",
        Blob("application/vnd.oci.empty.v1+json", b"{}"),
        Blob("application/octet-stream", MODEL, {PATH: "granite.gguf", TITLE: "sha256-12"}),
        Blob("text/plain; charset=utf-8", b"{{x}}", {PATH: "chat_template.jinja", TITLE: "b"}),
        Blob("application/octet-stream", b"?"),
    )
    model = store.pull(text)
    assert model.model.name == "granite.gguf"
    assert files_of(store, text) == {"granite.gguf": MODEL, "chat_template.jinja": b"{{x}}"}
    assert "without a name" in model.notes[0]


def test_what_oras_pushes_comes_under_its_names(real: Pusher, store: Store) -> None:
    """It calls every file a layer of an image, and packs folders alone."""
    folder = tar_of({"texts/README.md": b"# m"}, compressed=True)
    text = push(
        real,
        "oras/model",
        Blob("application/vnd.oci.empty.v1+json", b"{}"),
        Blob(IMAGE_LAYER, MODEL, {TITLE: "m.gguf"}),
        Blob(f"{IMAGE_LAYER}+gzip", folder, {TITLE: "texts", ORAS_FOLDER: "true"}),
    )
    assert files_of(store, text) == {"m.gguf": MODEL, "texts/README.md": b"# m"}


def test_an_image_without_a_model_is_refused(real: Pusher, store: Store) -> None:
    text = push(real, "some/base", IMAGE_CONFIG, Blob(IMAGE_LAYER, tar_of({"bin/sh": b"#"})))
    with pytest.raises(UnreadableArtifact, match="holds no model"):
        store.pull(text)


def test_another_artifact_is_refused_by_its_type(real: Pusher, store: Store) -> None:
    text = push(real, "a/chart", Blob("application/vnd.helm.config", b"{}"), Blob("x/y", b"z"))
    with pytest.raises(UnreadableArtifact, match=r"application/vnd\.helm\.config"):
        store.pull(text)


def ollama_model(real: Pusher, name: str) -> str:
    config = Blob("application/vnd.docker.container.image.v1+json", b'{"model_format":"gguf"}')
    layers = [
        Blob(f"{OLLAMA}model", MODEL),
        Blob(f"{OLLAMA}projector", PROJECTOR),
        Blob(f"{OLLAMA}template", b"{{ .Prompt }}"),
        Blob(f"{OLLAMA}params", b'{"stop": ["x"]}'),
        Blob(f"{OLLAMA}license", b"one"),
        Blob(f"{OLLAMA}license", b"two"),
    ]
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    real.push(name, "1b", manifest_of(config, layers, kind), [config, *layers])
    return f"{real.host}/{name}:1b"


def test_ollamas_layers_come_from_any_host(real: Pusher, store: Store) -> None:
    where = ollama_model(real, "library/tiny")
    wanted = {
        "model.gguf": MODEL,
        "mmproj.gguf": PROJECTOR,
        "template": b"{{ .Prompt }}",
        "params.json": b'{"stop": ["x"]}',
        "license": b"one",
        "license-2": b"two",
    }
    assert files_of(store, f"ollama://{where}") == wanted
    assert files_of(store, f"oci://{where}") == wanted


def test_blobs_of_ollamas_own_store_are_linked(
    real: Pusher, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ollama_model(real, "library/there")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    blob = tmp_path / "ollama/blobs" / f"sha256-{sha256(MODEL)}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(MODEL)
    model = store.pull(f"ollama://{where}")

    assert model.model.samefile(blob)
    assert [file.how for file in model.files if file.kind == "model"] == ["linked"]
    store.remove(model.reference)
    assert blob.exists()


@pytest.mark.parametrize("offline", ["0", "1"])
def test_what_ollama_has_is_enough_where_its_registry_is_not_reached(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    folder = tmp_path / "ollama"
    monkeypatch.setenv("OLLAMA_MODELS", str(folder))
    config = Blob("application/vnd.docker.container.image.v1+json", b'{"model_format":"gguf"}')
    layers = [Blob(f"{OLLAMA}model", MODEL), Blob(f"{OLLAMA}template", b"{{ .Prompt }}")]
    noted = folder / "manifests/127.0.0.1:9/library/tiny/latest"
    noted.parent.mkdir(parents=True)
    noted.write_bytes(manifest_of(config, layers))
    (folder / "blobs").mkdir()
    for blob in (config, *layers):
        (folder / "blobs" / blob.digest.replace(":", "-")).write_bytes(blob.content)
    model = store.pull("ollama://127.0.0.1:9/library/tiny")

    assert model.model.read_bytes() == MODEL
    if offline == "0":
        assert "The version that Ollama has here is taken" in model.notes[0]
        assert "Check the network" not in model.notes[0]
    with pytest.raises(FetchFailed):
        store.pull("ollama://127.0.0.1:9/library/other")
    store.remove(model.reference)
    (folder / "blobs" / layers[1].digest.replace(":", "-")).unlink()
    with pytest.raises(FetchFailed):
        store.pull(model.reference)


def test_a_digest_and_a_missing_tag(real: Pusher, store: Store) -> None:
    config = Blob(f"{DOCKER}model.config.v0.1+json", b"{}")
    manifest = manifest_of(config, [Blob(f"{DOCKER}gguf.v3", MODEL)])
    push(real, "ai/pinned", config, Blob(f"{DOCKER}gguf.v3", MODEL))
    digest = hashlib.sha256(manifest).hexdigest()
    model = store.pull(f"oci://{real.host}/ai/pinned@sha256:{digest}")
    assert model.revision == f"sha256:{digest}"
    with pytest.raises(NotInRegistry, match="has no 'v9'"):
        store.pull(f"oci://{real.host}/ai/pinned:v9")


def test_an_index_leads_to_a_manifest(real: Pusher, store: Store) -> None:
    config = Blob(f"{DOCKER}model.config.v0.1+json", b"{}")
    push(real, "ai/many", config, Blob(f"{DOCKER}gguf.v3", MODEL))
    manifest = manifest_of(config, [Blob(f"{DOCKER}gguf.v3", MODEL)])
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}",
        "size": len(manifest),
    }
    kind = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}
    real.push("ai/many", "all", json.dumps(index).encode(), [])
    assert store.pull(f"oci://{real.host}/ai/many:all").model.read_bytes() == MODEL


@pytest.mark.parametrize("place", ["docker", "podman", "address"])
def test_logins_of_docker_and_podman_are_used(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    with docker_registry(tmp_path, HTPASSWD) as host:
        pusher = Pusher(host, ("somebody", "secret"))
        text = push(
            pusher,
            "ai/private",
            Blob(f"{DOCKER}model.config.v0.1+json", b"{}"),
            Blob(f"{DOCKER}gguf.v3", MODEL),
        )
        with pytest.raises(AccessRefused, match="docker login"):
            store.pull(text)
        if place in {"docker", "address"}:
            monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
            key = f"https://{host}" if place == "address" else host
            write_login(tmp_path / "docker/config.json", key, "somebody", "secret")
        else:
            monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
            write_login(tmp_path / "auth.json", f"{host}/ai", "somebody", "secret")
        assert store.pull(text).model.read_bytes() == MODEL


# --- a registry of our own ---


SIMPLE = [Blob(f"{DOCKER}model.config.v0.1+json", b"{}"), Blob(f"{DOCKER}gguf.v3", MODEL)]


def test_a_token_is_fetched_and_renewed_when_it_has_run_out(
    server: FileServer, store: Store
) -> None:
    registry = TokenRegistry(server, realm=f"{server.url}/token")
    registry.put("a/b", "v1", manifest_of(SIMPLE[0], SIMPLE[1:]), SIMPLE)
    assert store.pull(f"oci://{server.origin}/a/b:v1").model.read_bytes() == MODEL
    assert registry.tokens == 1


def test_a_busy_registry_and_a_cut_line_are_tried_again(
    server: FileServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    registry = TokenRegistry(server, realm=f"{server.url}/token")
    registry.put("a/b", "v1", manifest_of(SIMPLE[0], SIMPLE[1:]), SIMPLE)
    failures = 0

    def fail_twice(path: str) -> None:
        rightly, left = server.routes[path], [503, 0]

        def reply(asked: Asked) -> Reply:
            nonlocal failures
            if not left:
                return rightly(asked)
            failures += 1
            if status := left.pop(0):
                return status, {"retry-after": "0"}, b""
            raise ConnectionResetError

        server.routes[path] = reply

    fail_twice("/v2/a/b/manifests/v1")
    fail_twice("/token")
    assert store.pull(f"oci://{server.origin}/a/b:v1").model.read_bytes() == MODEL
    assert failures == 4


def test_a_registry_that_stays_busy_is_given_up_with_what_to_do(
    server: FileServer, store: Store
) -> None:
    server.routes["/v2/a/b/manifests/v1"] = lambda asked: (429, {"retry-after": "600"}, b"")
    with pytest.raises(FetchFailed, match=r"try again in 600 s.*podman login") as raised:
        store.pull(f"oci://{server.origin}/a/b:v1")
    assert raised.value.retry_after == 600
    assert len(server.asked) == 1


def test_the_password_does_not_go_to_another_host_that_the_registry_names(
    server: FileServer,
    other_server: FileServer,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    write_login(tmp_path / "docker/config.json", server.origin, "somebody", "secret")
    registry = TokenRegistry(server, realm=f"{other_server.url}/token")
    registry.put("a/b", "v1", manifest_of(SIMPLE[0], SIMPLE[1:]), SIMPLE)
    other_server.routes["/token"] = registry.give_token
    store.pull(f"oci://{server.origin}/a/b:v1")

    assert [one.path.partition("?")[0] for one in other_server.asked] == ["/token"]
    assert "authorization" not in other_server.asked[0].headers


def test_where_a_password_may_go() -> None:
    hub = "https://registry-1.docker.io/v2/a/b"
    assert may_have_login("https://auth.docker.io/token", hub)
    assert may_have_login("http://127.0.0.1:5000/token", "http://127.0.0.1:5000/v2/a")
    assert not may_have_login("http://auth.docker.io/token", hub)
    assert not may_have_login("https://docker.io.evil.example/token", hub)
    assert not may_have_login("https://evil.example/token", hub)
    own = "https://reg.example.co.uk/v2/a"
    assert may_have_login("https://auth.example.co.uk/token", own)
    assert not may_have_login("https://evil.co.uk/token", own)
    assert not may_have_login("https://evil.co.uk/token", "https://example.co.uk/v2/a")
    assert not may_have_login("https://10.0.0.1/token", "https://10.9.0.1/v2/a")
    assert not may_have_login("http://127.0.0.1:5001/token", "http://127.0.0.1:5000/v2/a")


def test_a_manifest_of_another_digest_and_a_damaged_blob_are_refused(
    server: FileServer, store: Store
) -> None:
    registry = TokenRegistry(server)
    digest = registry.put("a/b", "v1", manifest_of(SIMPLE[0], SIMPLE[1:]), SIMPLE)
    other = manifest_of(SIMPLE[0], [])
    server.routes[f"/v2/a/b/manifests/{digest}"] = lambda asked: (200, {}, other)
    with pytest.raises(WrongFile, match=digest):
        store.pull(f"oci://{server.origin}/a/b@{digest}")
    server.files[f"/v2/a/b/blobs/{SIMPLE[1].digest}"] = MODEL[:-1] + b"?"
    with pytest.raises(WrongFile, match=SIMPLE[1].digest.removeprefix("sha256:")):
        store.pull(f"oci://{server.origin}/a/b:v1")


@pytest.mark.parametrize(
    "manifest",
    [
        b"[]",
        b"{",
        b"{}",
        b'{"layers": [3]}',
        b'{"layers": [{"digest": "md5:1", "size": 1}]}',
        b'{"layers": [{"digest": "sha256:' + b"0" * 64 + b'", "size": -1}]}',
        b'{"manifests": []}',
        b"[" * 100_000,
        b" " * (5 << 20),
    ],
)
def test_what_is_no_manifest_is_named(server: FileServer, store: Store, manifest: bytes) -> None:
    server.routes["/v2/a/b/manifests/v1"] = lambda asked: (200, {}, manifest)
    with pytest.raises((UnreadableArtifact, FetchFailed)):
        store.pull(f"oci://{server.origin}/a/b:v1")


@pytest.mark.parametrize("path", ["../../evil.gguf", "/etc/evil", "a/../../b", "C:\\evil"])
def test_a_layers_path_cannot_leave_the_folder(server: FileServer, store: Store, path: str) -> None:
    layers = [Blob(f"{DOCKER}model.file", b"x", {PATH: path})]
    registry = TokenRegistry(server)
    registry.put("a/b", "v1", manifest_of(SIMPLE[0], layers), [SIMPLE[0], *layers])
    with pytest.raises(Exception, match="would leave its folder"):
        store.pull(f"oci://{server.origin}/a/b:v1")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"models/../../evil": b"x"}, "would leave its folder"),
        ({"models/link": "/etc/passwd"}, "is refused"),
        ({"models/link": "../../../etc/passwd"}, "is refused"),
        ({"models/model.pkl": b"x"}, "Python pickles"),
    ],
)
def test_an_images_archive_cannot_leave_the_folder(
    server: FileServer, store: Store, files: dict[str, bytes | str], reason: str
) -> None:
    layers = [Blob(IMAGE_LAYER, tar_of(files))]
    registry = TokenRegistry(server)
    registry.put("a/b", "v1", manifest_of(IMAGE_CONFIG, layers), [IMAGE_CONFIG, *layers])
    with pytest.raises(Exception, match=reason):
        store.pull(f"oci://{server.origin}/a/b:v1")
    assert not [path for path in (store.folder / "oci").rglob("*") if path.is_file()]


def test_a_dead_registry_says_so(store: Store) -> None:
    with pytest.raises(FetchFailed, match="cannot be asked"):
        store.pull("oci://127.0.0.1:9/a/b:v1")


def test_a_bomb_is_refused(server: FileServer, store: Store) -> None:
    layers = [Blob(f"{IMAGE_LAYER}+gzip", tar_of({"models/a": bytes(70 << 20)}, True))]
    registry = TokenRegistry(server)
    registry.put("a/b", "v1", manifest_of(IMAGE_CONFIG, layers), [IMAGE_CONFIG, *layers])
    with pytest.raises(UnsafeFile, match="far more than its size"):
        store.pull(f"oci://{server.origin}/a/b:v1")
