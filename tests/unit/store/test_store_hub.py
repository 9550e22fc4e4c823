from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest

from localai.store.errors import AccessRefused, FetchFailed, NotInRegistry, UnsafeFile, WrongFile
from localai.store.progress import Progress
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Asked, Fault, FileServer, Reply
from tests.unit.store.hub_server import COMMIT, Hub, git_oid

REPO = "unsloth/Qwen3-4B-GGUF"
MAIN = gguf(300_000, 1)
Q8 = gguf(400_000, 2)
PROJECTOR = gguf(20_000, 3)


@pytest.fixture
def hub(server: FileServer, other_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    hub = Hub(server, other_server)
    hub.put(
        REPO,
        {
            "README.md": b"# Qwen",
            "Qwen3-4B-Q4_K_M.gguf": MAIN,
            "Qwen3-4B-Q8_0.gguf": Q8,
            "mmproj-BF16.gguf": gguf(100),
            "mmproj-F16.gguf": PROJECTOR,
        },
    )
    return hub


def test_a_repository_gives_its_usual_quantisation_and_its_projector(
    hub: Hub, store: Store
) -> None:
    model = store.pull(f"hf://{REPO}")

    assert model.model == store.folder / f"hf/{REPO}/Qwen3-4B-Q4_K_M.gguf"
    assert model.model.read_bytes() == MAIN
    projector = model.path_of("projector", store.folder)
    assert projector is not None
    assert projector.read_bytes() == PROJECTOR
    assert [file.path.rpartition("/")[2] for file in model.files] == [
        "Qwen3-4B-Q4_K_M.gguf",
        "mmproj-F16.gguf",
    ]
    assert model.revision == COMMIT


@pytest.mark.parametrize(
    "text",
    [
        f"hf://{REPO}:Q8_0",
        f"{REPO}:q8_0",
        f"hf.co/{REPO}:Q8_0",
        f"huggingface://{REPO}/Qwen3-4B-Q8_0.gguf",
        f"https://huggingface.co/{REPO}/resolve/main/Qwen3-4B-Q8_0.gguf",
        f"{REPO}/Qwen3-4B-Q8_0.gguf@main",
    ],
)
def test_a_quantisation_and_a_file_can_be_named(hub: Hub, store: Store, text: str) -> None:
    assert store.pull(text).model.read_bytes() == Q8


def test_a_second_pull_fetches_nothing(hub: Hub, store: Store) -> None:
    store.pull(REPO)
    sent = hub.cdn.sent
    seen: list[Progress] = []
    again = store.pull(REPO, progress=seen.append)

    assert hub.cdn.sent == sent
    assert {one.phase for one in seen} == {"linked"}
    assert again == store.find(REPO)


def test_what_was_fetched_is_in_the_hubs_own_cache(hub: Hub, store: Store) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    model = store.pull(REPO)
    cache = Path(os.environ["HF_HOME"]) / "hub"
    found = try_to_load_from_cache(REPO, "Qwen3-4B-Q4_K_M.gguf", cache_dir=cache)

    assert isinstance(found, str)
    assert Path(found).samefile(model.model)
    (repo,) = scan_cache_dir(cache).repos
    assert repo.repo_id == REPO
    assert {file.file_name for revision in repo.revisions for file in revision.files} == {
        "Qwen3-4B-Q4_K_M.gguf",
        "mmproj-F16.gguf",
    }


def cached_by_another_program(path: str, content: bytes) -> Path:
    folder = Path(os.environ["HF_HOME"]) / "hub" / f"models--{REPO.replace('/', '--')}"
    blob = folder / "blobs" / sha256(content)
    link = folder / "snapshots" / COMMIT / path
    for one in (blob, link, folder / "refs/main"):
        one.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(os.path.relpath(blob, link.parent))
    (folder / "refs/main").write_text(COMMIT)
    return blob


def test_what_another_program_has_cached_is_linked_and_stays_at_removal(
    hub: Hub, store: Store
) -> None:
    blob = cached_by_another_program("Qwen3-4B-Q8_0.gguf", Q8)
    model = store.pull(f"{REPO}/Qwen3-4B-Q8_0.gguf")

    assert model.model.samefile(blob)
    assert sum(one.sent for one in hub.cdn.asked) == len(PROJECTOR)
    store.remove(model.reference)
    assert blob.read_bytes() == Q8
    assert not model.model.exists()


def test_a_damaged_copy_in_the_cache_is_not_taken(hub: Hub, store: Store) -> None:
    blob = cached_by_another_program("Qwen3-4B-Q8_0.gguf", Q8)
    blob.write_bytes(Q8[:-1] + b"?")
    assert store.pull(f"{REPO}:Q8_0").model.read_bytes() == Q8


def test_offline_only_the_cache_is_used(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_by_another_program("Qwen3-4B-Q8_0.gguf", Q8)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert store.pull(f"{REPO}:Q8_0").model.read_bytes() == Q8
    with pytest.raises(FetchFailed, match="HF_HUB_OFFLINE forbids"):
        store.pull("other/repo")
    assert hub.server.asked == []


def test_the_token_goes_to_the_hub_and_never_to_its_cdn(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    store.pull(REPO)

    sent = {one.headers.get("authorization") for one in hub.server.asked}
    assert sent == {"Bearer hf_secret"}
    assert all("authorization" not in one.headers for one in hub.cdn.asked)


LISTING = f"/api/models/{REPO}"
GATED = {"x-error-code": "GatedRepo"}


def say(hub: Hub, *replies: tuple[int, dict[str, str]]) -> None:
    """Answer the next questions for the listing so, then rightly."""
    rightly, left = hub.server.routes[LISTING], list(replies)

    def reply(asked: Asked) -> Reply:
        return (*left.pop(0), b"") if left else rightly(asked)

    hub.server.routes[LISTING] = reply


@pytest.mark.parametrize(
    ("token", "reply", "kind", "said"),
    [
        ("", (404, {}), NotInRegistry, f"has no repository '{REPO}'"),
        ("", (401, {}), NotInRegistry, "set HF_TOKEN to a token that may read it"),
        ("", (401, GATED), AccessRefused, rf"/{REPO} is gated: accept its terms there"),
        ("t", (403, GATED), AccessRefused, rf"/{REPO} is gated: accept its terms there"),
        ("t", (401, {"x-error-message": "Invalid credentials in Authorization header"}),
         AccessRefused, "does not know the token in HF_TOKEN"),
        ("t", (403, {}), AccessRefused, "set HF_TOKEN to a token that may"),
        ("", (403, {"x-error-message": "Access to this resource is disabled."}), AccessRefused,
         "was disabled"),
        ("", (429, {"retry-after": "300"}), FetchFailed, "asked too often.*in 300 s; with HF"),
        ("", (503, {"retry-after": "300"}), FetchFailed, "answered 503.*again in 300 s, or name a"),
    ],
)  # fmt: skip
def test_each_refusal_of_the_hub_says_what_to_do(
    hub: Hub,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    reply: tuple[int, dict[str, str]],
    kind: type[Exception],
    said: str,
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    say(hub, reply)
    with pytest.raises(kind, match=said):
        store.pull(REPO)
    assert len(hub.server.asked) == 1


def test_a_busy_hub_is_asked_again(hub: Hub, store: Store) -> None:
    soon = {"retry-after": "0"}
    say(hub, (429, soon), (503, soon))
    assert store.pull(REPO).model.exists()


def test_a_gated_file_says_where_the_terms_are(hub: Hub, store: Store) -> None:
    """The hub lists a gated repository for everybody, and refuses its files."""
    file = f"/{REPO}/resolve/{COMMIT}/Qwen3-4B-Q4_K_M.gguf"
    hub.server.routes[file] = lambda asked: (403, GATED, b"")
    with pytest.raises(AccessRefused, match=f"{hub.server.url}/{REPO} is gated: accept its terms"):
        store.pull(REPO)


def test_a_missing_quantisation_and_file_list_what_there_is(hub: Hub, store: Store) -> None:
    with pytest.raises(NotInRegistry, match="There are: Q4_K_M, Q8_0"):
        store.pull(f"{REPO}:Q2_K")
    with pytest.raises(NotInRegistry, match=r"Qwen3-4B-Q4_K_M\.gguf"):
        store.pull(f"{REPO}/none.gguf")


def test_bytes_other_than_the_hub_says_never_arrive(hub: Hub, store: Store) -> None:
    hub.cdn.files[f"/cdn/{sha256(MAIN)}"] = MAIN[:-1] + b"?"
    with pytest.raises(WrongFile, match=sha256(MAIN)):
        store.pull(REPO)
    assert store.list() == []
    assert not list(store.folder.rglob("Qwen3-4B-Q4_K_M.gguf*"))


def test_a_checksum_of_the_caller_is_compared_before_the_download(hub: Hub, store: Store) -> None:
    with pytest.raises(WrongFile, match=sha256(MAIN)):
        store.pull(REPO, sha256="0" * 64)
    assert hub.cdn.sent == 0
    assert store.pull(REPO, sha256=sha256(MAIN).upper()).model.exists()


def test_all_parts_of_a_split_file_come(hub: Hub, store: Store) -> None:
    parts = [f"Q4_K_M/Big-Q4_K_M-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    hub.put("org/Big-GGUF", {part: gguf(1000, n) for n, part in enumerate(parts)})
    model = store.pull("org/Big-GGUF")

    assert model.model.name == "Big-Q4_K_M-00001-of-00003.gguf"
    assert sorted(one.name for one in model.model.parent.iterdir()) == [
        Path(part).name for part in parts
    ]


def test_a_folder_repository_brings_the_safe_weights_once(hub: Hub, store: Store) -> None:
    weights = b"\x40" + bytes(7) + b'{"a": 1}' + bytes(500)
    hub.put(
        "org/embedder",
        {
            "config.json": b"{}",
            "tokenizer.json": b"{}",
            "model.safetensors": weights,
            "pytorch_model.bin": b"\x80pickle",
            "onnx/model.onnx": b"onnx",
            "model.fp16.safetensors": weights,
            "README.md": b"# e",
        },
    )
    model = store.pull("org/embedder")

    assert model.model == model.folder == store.folder / "hf/org/embedder"
    assert sorted(one.name for one in model.folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert (model.files[0].git_oid, model.files[0].sha256) == (git_oid(b"{}"), sha256(b"{}"))


def test_pickles_are_refused_unless_trusted(hub: Hub, store: Store) -> None:
    hub.put("org/old", {"config.json": b"{}", "pytorch_model.bin": b"\x80\x02pickle" + bytes(90)})
    with pytest.raises(UnsafeFile, match=r"Python pickles.*--trust"):
        store.pull("org/old")
    assert hub.cdn.sent == 0
    assert (store.pull("org/old", trust=True).folder / "pytorch_model.bin").exists()


def test_a_ctranslate2_folder_is_no_pickle_but_a_pickle_in_it_is(hub: Hub, store: Store) -> None:
    files = {"config.json": b"{}", "vocabulary.txt": b"a", "tokenizer.json": b"{}"}
    hub.put("org/whisper", files | {"model.bin": b"\x06\x00\x00\x00" + bytes(100)})
    assert (store.pull("org/whisper").folder / "model.bin").exists()
    hub.put("org/evil", files | {"model.bin": b"PK\x03\x04" + bytes(100)})
    with pytest.raises(UnsafeFile, match="pickle"):
        store.pull("org/evil")


def test_a_voice_brings_its_settings(hub: Hub, store: Store) -> None:
    path = "en/en_US/lessac/medium/en_US-lessac-medium.onnx"
    hub.put("rhasspy/voices", {path: b"onnx", f"{path}.json": b"{}", "de/x.onnx": b"other"})
    model = store.pull(f"rhasspy/voices/{path}")
    assert [file.path.removeprefix("hf/rhasspy/voices/") for file in model.files] == [
        path,
        f"{path}.json",
    ]


def test_a_path_that_leaves_the_folder_is_refused(hub: Hub, store: Store) -> None:
    hub.put("org/evil", {"../../evil.gguf": gguf(100)})
    with pytest.raises(Exception, match="would leave its folder"):
        store.pull("org/evil")


def test_a_new_commit_replaces_the_file_and_a_broken_line_keeps_the_old(
    hub: Hub, store: Store
) -> None:
    store.pull(REPO)
    newer = gguf(300_000, 9)
    hub.put(REPO, {"Qwen3-4B-Q4_K_M.gguf": newer}, commit="b" * 40)
    hub.cdn.always = Fault(status=503)
    with pytest.raises(FetchFailed):
        store.pull(REPO)
    found = store.find(REPO)
    assert found is not None
    assert found.model.read_bytes() == MAIN

    hub.cdn.always = None
    model = store.pull(REPO)
    assert model.model.read_bytes() == newer
    assert model.revision == "b" * 40
    assert not (model.folder / "mmproj-F16.gguf").exists()


# --- several at once ---


def test_certificates_that_change_meanwhile_do_not_cut_off_who_is_asking(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, go_on = threading.Event(), threading.Event()
    path = f"/api/models/{REPO}"
    answer = hub.server.routes[path]

    def late(asked: Asked) -> Reply:
        asking.set()
        assert go_on.wait(10)
        return answer(asked)

    hub.server.routes[path] = late
    with ThreadPoolExecutor() as pool:
        first = pool.submit(store.pull, f"hf://{REPO}")
        assert asking.wait(10)
        hub.server.routes[path] = answer
        monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
        store.pull(f"hf://{REPO}:Q8_0")
        go_on.set()
        assert first.result(60).model.read_bytes() == MAIN
    assert len(asked_for(hub, path)) == 2


def asked_for(hub: Hub, path: str) -> list[Asked]:
    return [asked for asked in hub.server.asked if urlsplit(asked.path).path == path]


def test_the_first_two_who_ask_both_get_an_answer(hub: Hub) -> None:
    """In processes that have asked nothing yet, as threads do not meet each time."""
    program = Path(__file__).with_name("resolve_twice.py")
    path, both_are_there = f"/api/models/{REPO}", threading.Barrier(2)
    answer = hub.server.routes[path]

    def together(asked: Asked) -> Reply:
        both_are_there.wait(10)
        return answer(asked)

    hub.server.routes[path] = together
    for _ in range(4):
        command = [sys.executable, str(program), f"hf://{REPO}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.split() == ["Qwen3-4B-Q4_K_M.gguf"] * 2, done.stderr
    assert len(asked_for(hub, path)) == 8
