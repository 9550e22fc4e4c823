from __future__ import annotations

import io
import json
import mmap
import os
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from localai.errors import InvalidReference
from localai.store.cleaning import Pruning
from localai.store.download import Patience
from localai.store.errors import (
    Cancelled,
    InUse,
    NotInRegistry,
    UnreadableArtifact,
    UnsafeFile,
    WrongFile,
)
from localai.store.flights import Downloader
from localai.store.in_use import users_of
from localai.store.progress import Meter, Progress
from localai.store.ranges import Ranges
from localai.store.store import Store
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Fault, FileServer
from tests.unit.store.registry_server import tar_of

MODEL = gguf(50_000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    patience = Patience(stall=5, pause=0, attempts=2)
    return Store(tmp_path / "store", downloader=Downloader(chunk=10_000, patience=patience))


def url_of(server: FileServer, path: str = "/models/M-Q4.gguf", content: bytes = MODEL) -> str:
    return server.put(path, content)


# --- pulling ---


def test_a_url_lands_under_its_real_name(server: FileServer, store: Store) -> None:
    model = store.pull(url_of(server))
    host = server.origin.replace(":", "-")
    assert model.model == store.folder / f"url/{host}/models/M-Q4.gguf"
    assert model.model.read_bytes() == MODEL
    assert store.find(model.reference) == store.find(model.id) == model
    assert store.owner_of(model.model) == model


def test_addresses_that_differ_in_their_query_do_not_collide(
    server: FileServer, store: Store
) -> None:
    url = url_of(server)
    paths = {store.pull(f"{url}{query}").model for query in ("", "?v=1", "?v=2", "?download=true")}
    assert len(paths) == 3


def test_the_password_in_an_address_is_sent_and_not_kept(server: FileServer, store: Store) -> None:
    url = url_of(server)
    server.needs = {"/models/M-Q4.gguf": "Basic dTpwIQ=="}
    model = store.pull(url.replace("http://", "http://u:p%21@"))
    assert model.model.read_bytes() == MODEL
    assert "u:p" not in str(model.model)


def test_an_archive_is_unpacked(server: FileServer, store: Store) -> None:
    voice = {"voice.onnx": b"onnx", "voice.onnx.json": b"{}"}
    model = store.pull(server.put("/voice.tar.gz", tar_of(voice, compressed=True)))
    assert model.model.name == "voice.onnx"
    assert sorted(one.name for one in model.folder.iterdir()) == ["voice.onnx", "voice.onnx.json"]
    asked = len(server.asked)
    assert store.pull(model.reference).files == model.files
    assert len(server.asked) == asked
    model.model.unlink()
    assert store.pull(model.reference).model.exists()


def test_a_local_file_is_used_in_place(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(MODEL)
    assert store.pull(str(path)).model == path
    assert store.pull(path.as_uri(), sha256=sha256(MODEL)).model == path
    with pytest.raises(WrongFile, match="0000"):
        store.pull(str(path), sha256="0" * 64)
    assert store.list() == []


def test_a_file_of_a_package_is_used_in_place(store: Store) -> None:
    assert store.pull("package://localai/py.typed").model.name == "py.typed"
    with pytest.raises(NotInRegistry, match="pip install"):
        store.pull("package://no_such_module/x")


def test_a_path_that_exists_is_not_taken_for_a_repository(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org/sub").mkdir(parents=True)
    (tmp_path / "org/sub/m.gguf").write_bytes(MODEL)
    monkeypatch.chdir(tmp_path)
    assert store.pull("org/sub/m.gguf").model == tmp_path / "org/sub/m.gguf"


def test_an_unknown_name_says_what_to_write(store: Store) -> None:
    with pytest.raises(NotInRegistry, match="ollama://qwen3"):
        store.pull("qwen3")


def test_short_names_lead_on(
    server: FileServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config/localai/shortnames.conf"
    path.parent.mkdir(parents=True)
    path.write_text(f'[shortnames]\n"tiny" = "small"\n"small" = "{url_of(server)}"\n')
    assert store.pull("tiny").model.read_bytes() == MODEL
    assert store.find("small") is not None


def test_a_pickle_by_address_is_refused(server: FileServer, store: Store) -> None:
    with pytest.raises(UnsafeFile, match="--trust"):
        store.pull(server.put("/model.pt", b"\x80\x02"))
    assert server.sent == 0


def test_a_pull_is_cancelled_and_goes_on(server: FileServer, store: Store) -> None:
    url, stop = url_of(server), threading.Event()
    server.always = Fault(hang_at=3000)

    def stop_midway() -> None:
        server.reached.wait(10)
        stop.set()

    timer = threading.Thread(target=stop_midway)
    timer.start()
    with pytest.raises(Cancelled):
        store.pull(url, cancel=stop)
    timer.join()
    assert store.find(url) is None
    server.always = None
    assert store.pull(url).model.read_bytes() == MODEL


def test_a_file_that_went_missing_is_not_found_and_is_pulled_again(
    server: FileServer, store: Store
) -> None:
    model = store.pull(url_of(server))
    model.model.unlink()
    assert store.find(model.reference) is None
    assert store.pull(model.reference).model.exists()


def test_the_same_content_is_kept_once(server: FileServer, store: Store) -> None:
    first = store.pull(url_of(server))
    second = store.pull(url_of(server, "/other/N.gguf"), sha256=sha256(MODEL))
    assert second.model.samefile(first.model)
    assert store.remove(first.reference).freed == 0
    assert store.remove(second.reference).freed == len(MODEL)


def test_force_fetches_again(server: FileServer, store: Store) -> None:
    """Where the server names no version, nothing else tells that the file is another one."""
    server.etags = False
    url = url_of(server)
    store.pull(url)
    newer = gguf(50_000, 1)
    server.put("/models/M-Q4.gguf", newer)
    assert store.pull(url).model.read_bytes() == MODEL
    assert store.pull(url, force=True).model.read_bytes() == newer


# --- removing ---


def test_removing_frees_what_nobody_else_needs(server: FileServer, store: Store) -> None:
    model = store.pull(url_of(server))
    store.records.put(replace(model, reference="mine"))
    removed = store.remove(model.reference)
    assert (removed.freed, removed.kept) == (0, (model.files[0].path,))
    assert store.find("mine") is not None

    assert store.remove("mine").freed == len(MODEL)
    assert store.list() == []
    assert [one.name for one in store.folder.iterdir() if one.name != ".lock"] == ["records"]
    with pytest.raises(NotInRegistry, match="localai list"):
        store.remove("mine")


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_a_model_in_use_stays_unless_forced(server: FileServer, store: Store, how: str) -> None:
    model = store.pull(url_of(server))
    program = (
        "import mmap, sys\n"
        f"f = open({str(model.model)!r}, 'rb')\n"
        "m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\n"
        f"{'f.close()' if how == 'mapped' else 'm.close()'}\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "ready\n"
        with pytest.raises(InUse, match=str(user.pid)):
            store.remove(model.reference)
        assert model.model.exists()
        assert store.remove(model.reference, force=True).freed == len(MODEL)
        user.communicate()


def test_nobody_uses_what_is_not_there(tmp_path: Path) -> None:
    assert users_of([tmp_path / "none"]) == []
    assert users_of([tmp_path], proc=tmp_path / "no-proc") == []
    assert mmap.PAGESIZE  # what the processes above map


# --- cleaning ---


def test_pruning_takes_unfinished_and_unused_files_only(server: FileServer, store: Store) -> None:
    model = store.pull(url_of(server))
    old = [store.folder / "hf/o/r/a.gguf.part", store.folder / "url/x/left.gguf"]
    for path in old:
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(8192))
        os.utime(path, (1, 1))
    fresh = store.folder / "url/x/fresh.gguf.part"
    fresh.write_bytes(bytes(8192))
    used = store.usage()
    assert (used.unfinished, used.unused) == (16384, 8192)
    assert used.models >= len(MODEL)

    pruned = store.prune()
    assert set(pruned.paths) == {"hf/o/r/a.gguf.part", "url/x/left.gguf"}
    assert pruned.freed == 16384
    assert fresh.exists()
    assert not (store.folder / "hf").exists()
    assert store.prune(Pruning(0, 0)).paths == ("url/x/fresh.gguf.part",)
    assert store.find(model.reference) == model


def test_a_record_that_cannot_be_written_leaves_no_rest(
    server: FileServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = store.pull(url_of(server))
    (record,) = (store.folder / "records").iterdir()
    before = record.read_text("utf-8")

    def refuse(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="gone"):
        store.note_card(model, Path("/cards/mine.yaml"))
    assert list(record.parent.iterdir()) == [record]
    assert record.read_text("utf-8") == before


def test_pruning_leaves_a_download_under_way(server: FileServer, store: Store) -> None:
    url, ends = url_of(server), []
    server.always = Fault(pause_at=3000)
    thread = threading.Thread(target=lambda: ends.append(store.pull(url)))
    thread.start()
    assert server.reached.wait(10)
    assert store.prune(Pruning(-1, -1)).paths == ()
    server.go_on.set()
    thread.join()
    assert ends[0].model.read_bytes() == MODEL


def test_a_broken_record_hides_only_itself(
    server: FileServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    model = store.pull(url_of(server))
    (store.folder / "records/broken.json").write_text("{")
    assert store.list() == [model]
    assert "broken.json" in caplog.text


# --- one file for another machine ---


def test_a_model_travels_with_its_card(server: FileServer, store: Store, tmp_path: Path) -> None:
    model = store.pull(url_of(server))
    store.export(model, tmp_path / "m.tar", "name: m\n")
    other = Store(tmp_path / "other")
    packed = other.import_(tmp_path / "m.tar")

    assert packed.card == "name: m\n"
    assert packed.model.model.read_bytes() == MODEL
    assert other.find(model.reference) is not None
    assert packed.model.id == model.id


def repacked(source: Path, target: Path, **changes: bytes) -> Path:
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            key = member.name.rpartition("/")[2].partition(".")[0].replace("-", "_")
            content = changes.get(key, file.read())
            fresh = tarfile.TarInfo(member.name)
            fresh.size = len(content)
            new.addfile(fresh, io.BytesIO(content))
    return target


def test_a_damaged_or_hostile_tar_is_refused(
    server: FileServer, store: Store, tmp_path: Path
) -> None:
    store.export(store.pull(url_of(server)), tmp_path / "m.tar")
    other = Store(tmp_path / "other")
    damaged = repacked(tmp_path / "m.tar", tmp_path / "d.tar", M_Q4=MODEL[:-1] + b"?")
    with pytest.raises(WrongFile, match=sha256(MODEL)):
        other.import_(damaged)

    with tarfile.open(tmp_path / "m.tar") as tar:
        record = tar.extractfile("model.json")
        assert record is not None
        content = json.loads(record.read())
    for path in ("../evil", "records/evil.json", "hf/model.pkl"):
        content["files"][0]["path"] = path
        changed = json.dumps(content).encode()
        with pytest.raises((UnsafeFile, InvalidReference)):
            other.import_(repacked(tmp_path / "m.tar", tmp_path / "e.tar", model=changed))
    (tmp_path / "no.tar").write_bytes(b"no tar")
    with pytest.raises(UnreadableArtifact, match="localai export"):
        other.import_(tmp_path / "no.tar")
    assert other.list() == []


# --- the parts ---


def test_ranges_merge_and_tell_what_is_missing() -> None:
    ranges = Ranges([(5, 8), (0, 2)])
    ranges.add(2, 4)
    assert ranges.spans == [(0, 4), (5, 8)]
    assert (ranges.count, ranges.prefix) == (7, 4)
    assert ranges.missing(13, 3) == [(4, 5), (8, 11), (11, 13)]
    ranges.add(0, 13)
    assert ranges.missing(13, 3) == []


def test_speed_and_time_left_follow_the_last_seconds() -> None:
    meter = Meter(window=5)
    assert meter.speed(0, 0) == 0
    assert meter.speed(1, 100) == 100
    for second in range(2, 12):
        meter.speed(second, 100)
    assert meter.speed(12, 150) == 10
    assert Progress("a", "fetching", 100, 300, 50).eta == 4
    assert Progress("a", "fetching", 100, None, 50).eta is None
    assert Progress("a", "fetching", 100, 300, 0).eta is None


def test_the_store_is_imported_without_the_clients_of_hubs_and_registries() -> None:
    program = (
        "import sys, localai.store.store, localai.store.resolving, localai.cli.pull\n"
        "import localai.store.transports.oci, localai.store.transports.ollama\n"
        "print([name for name in ('huggingface_hub', 'oras', 'requests', 'rich', 'httpx2') "
        "if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"
