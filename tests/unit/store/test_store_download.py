from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.store import partial as partials
from localai.store.artifact import RemoteFile
from localai.store.download import Patience
from localai.store.errors import (
    AccessRefused,
    Cancelled,
    DiskFull,
    FetchFailed,
    NotInRegistry,
    Unreachable,
    UnsafeFile,
    WrongFile,
)
from localai.store.flights import Downloader
from localai.store.partial import part_path, state_path
from localai.store.progress import Progress
from tests.gateways import DEADLINE, eventually
from tests.unit.store.content import gguf, sha256
from tests.unit.store.file_server import Fault, FileServer

CHUNK = 100_000
MODEL = gguf(1_234_567)


class Naps:
    """The pauses that were asked for; none is taken."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)


def downloader(naps: Naps | None = None, **patience: float) -> Downloader:
    return Downloader(
        chunk=CHUNK,
        patience=Patience(**({"stall": 5.0} | patience)),  # type: ignore[arg-type]
        sleep=(naps or Naps()).sleep,
        clock=itertools.count().__next__,  # time enough between any two reports
    )


def remote(server: FileServer, content: bytes = MODEL, **fields: object) -> RemoteFile:
    url = server.put("/m.gguf", content)
    return RemoteFile("m.gguf", url, **fields)  # type: ignore[arg-type]


def leftovers(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


# --- the good path ---


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_arrives_whole_with_and_without_ranges(
    server: FileServer, tmp_path: Path, ranges: bool, lengths: bool
) -> None:
    server.ranges, server.lengths = ranges, lengths
    fetched = downloader().fetch(remote(server), tmp_path / "m.gguf")

    assert (tmp_path / "m.gguf").read_bytes() == MODEL
    assert fetched.sha256 == sha256(MODEL)
    assert fetched.size == fetched.received == len(MODEL)
    assert leftovers(tmp_path) == ["m.gguf"]


def test_a_large_file_comes_in_several_ranges_at_once(server: FileServer, tmp_path: Path) -> None:
    server.always = Fault(pause_at=10)
    thread = threading.Thread(target=downloader().fetch, args=(remote(server), tmp_path / "m.gguf"))
    thread.start()
    eventually(lambda: len(server.asked) == 4)
    server.go_on.set()
    thread.join()

    assert len(server.asked) == 13
    assert (tmp_path / "m.gguf").read_bytes() == MODEL


def test_progress_counts_every_byte_and_ends_with_the_whole(
    server: FileServer, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    downloader().fetch(remote(server), tmp_path / "m.gguf", seen.append)

    counts = [one.done for one in seen]
    assert counts == sorted(counts)
    assert (seen[-1].phase, seen[-1].done, seen[-1].total) == ("done", len(MODEL), len(MODEL))


# --- what goes wrong on the way ---


def test_a_cut_line_is_continued_where_it_was_cut(server: FileServer, tmp_path: Path) -> None:
    naps = Naps()
    server.faults = [Fault(cut_at=50_000), Fault(cut_at=10), Fault(cut_at=0)]
    fetched = downloader(naps).fetch(remote(server), tmp_path / "m.gguf")

    assert (tmp_path / "m.gguf").read_bytes() == MODEL
    assert naps.taken
    assert fetched.received <= len(MODEL) + CHUNK


def test_a_cut_line_without_ranges_begins_anew(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.faults = [Fault(cut_at=700_000)]
    fetched = downloader().fetch(remote(server), tmp_path / "m.gguf")

    assert (tmp_path / "m.gguf").read_bytes() == MODEL
    assert fetched.received == len(MODEL) + 700_000


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_time_it_asks_for(
    server: FileServer, tmp_path: Path, status: int
) -> None:
    naps = Naps()
    server.faults = [
        Fault(status=status, headers={"retry-after": "7"}),
        Fault(status=status),
        Fault(status=status),
    ]
    downloader(naps).fetch(remote(server), tmp_path / "m.gguf")

    assert naps.taken == [7, 2, 4]
    assert (tmp_path / "m.gguf").read_bytes() == MODEL


def test_a_server_that_stays_busy_is_given_up_and_what_came_is_kept(
    server: FileServer, tmp_path: Path
) -> None:
    file = remote(server)
    server.faults = [Fault(cut_at=60_000)]
    server.always = Fault(status=503)
    with pytest.raises(FetchFailed, match=r"answered 503.*goes on from there"):
        downloader(attempts=3).fetch(file, tmp_path / "m.gguf")
    assert part_path(tmp_path / "m.gguf").exists()

    server.always = None
    before = server.sent
    downloader().fetch(file, tmp_path / "m.gguf")
    assert server.sent - before == len(MODEL) - 60_000


def test_a_server_that_asks_for_hours_is_not_waited_for(server: FileServer, tmp_path: Path) -> None:
    naps = Naps()
    server.always = Fault(status=429, headers={"retry-after": "7200"})
    with pytest.raises(FetchFailed, match="asks to wait 7200 s") as raised:
        downloader(naps).fetch(remote(server), tmp_path / "m.gguf")
    assert raised.value.retry_after == 7200
    assert naps.taken == []


def test_a_silent_server_is_left_after_the_stall_limit(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(hang_at=50_000)]
    downloader(stall=1.0).fetch(remote(server), tmp_path / "m.gguf")
    assert (tmp_path / "m.gguf").read_bytes() == MODEL


def test_a_host_that_nobody_answers_at_is_given_up_soon(tmp_path: Path) -> None:
    naps = Naps()
    file = RemoteFile("m.gguf", "http://127.0.0.1:9/m.gguf")
    with pytest.raises(FetchFailed, match="cannot be fetched"):
        downloader(naps).fetch(file, tmp_path / "m.gguf")
    assert naps.taken == [1]


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_never_says_a_word_is_given_up_soon(silent: str, tmp_path: Path) -> None:
    naps = Naps()
    seen: list[Progress] = []
    file = RemoteFile("m.gguf", f"http://{silent}/m.gguf")
    with pytest.raises(Unreachable, match=r"nothing came for 0\.4 s.*Check the network") as raised:
        downloader(naps, stall=0.4).fetch(file, tmp_path / "m.gguf", seen.append)
    assert raised.value.host == silent
    assert naps.taken == [1]
    troubles = list(dict.fromkeys(one.trouble for one in seen))
    assert troubles == ["", "nothing came for 0.4 s, attempt 2 of 2"]


def test_silence_after_the_first_bytes_is_waited_for_longer(
    server: FileServer, tmp_path: Path
) -> None:
    naps = Naps()
    seen: list[Progress] = []
    server.ranges, server.faults = False, [Fault(hang_at=50_000), *[Fault(hang_at=0)] * 2]
    downloader(naps, stall=0.4).fetch(remote(server), tmp_path / "m.gguf", seen.append)
    assert (tmp_path / "m.gguf").read_bytes() == MODEL
    assert naps.taken == [1, 2, 4]
    assert "nothing came for 0.4 s, attempt 3 of 6" in {one.trouble for one in seen}
    assert seen[-1].trouble == ""


@pytest.mark.parametrize("ranges", [True, False])
def test_wrong_bytes_never_arrive_and_both_hashes_are_said(
    server: FileServer, tmp_path: Path, ranges: bool
) -> None:
    server.ranges = ranges
    damaged = MODEL[:-1] + bytes([MODEL[-1] ^ 1])
    file = remote(server, damaged, sha256=sha256(MODEL))
    (tmp_path / "m.gguf").write_bytes(b"the one before")
    with pytest.raises(WrongFile) as raised:
        downloader().fetch(file, tmp_path / "m.gguf")

    assert sha256(MODEL) in raised.value.message
    assert sha256(damaged) in raised.value.message
    assert leftovers(tmp_path) == ["m.gguf"]
    assert (tmp_path / "m.gguf").read_bytes() == b"the one before"


@pytest.mark.parametrize("ranges", [True, False])
def test_another_length_than_announced_is_refused_before_the_bytes(
    server: FileServer, tmp_path: Path, ranges: bool
) -> None:
    server.ranges = ranges
    with pytest.raises(WrongFile, match="were announced"):
        downloader().fetch(remote(server, size=len(MODEL) + 1), tmp_path / "m.gguf")
    assert leftovers(tmp_path) == []


def test_a_server_that_announces_more_than_it_sends_is_given_up(
    server: FileServer, tmp_path: Path
) -> None:
    server.ranges, server.always = False, Fault(longer=5)
    with pytest.raises(FetchFailed):
        downloader(attempts=2).fetch(remote(server), tmp_path / "m.gguf")
    assert not (tmp_path / "m.gguf").exists()


def test_gits_own_hash_is_checked_where_there_is_no_other(
    server: FileServer, tmp_path: Path
) -> None:
    url = server.put("/config.json", b"hello\n")
    good = RemoteFile("config.json", url, git_oid="ce013625030ba8dba906f756967f9e9ca394464a")
    downloader().fetch(good, tmp_path / "config.json")
    bad = RemoteFile("config.json", url, git_oid="0" * 40)
    with pytest.raises(WrongFile, match="ce013625030ba8dba906f756967f9e9ca394464a"):
        downloader().fetch(bad, tmp_path / "other.json")
    assert leftovers(tmp_path) == ["config.json"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>" + bytes(100), "web page"),
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_what_is_no_model_is_named_and_removed(
    server: FileServer, tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(WrongFile, match=reason):
        downloader().fetch(remote(server, content), tmp_path / "m.gguf")
    assert leftovers(tmp_path) == []


def test_a_file_of_another_kind_is_refused_at_its_first_bytes(
    server: FileServer, tmp_path: Path
) -> None:
    server.always = Fault(pause_at=CHUNK // 2)
    with pytest.raises(WrongFile, match="not a GGUF model"):
        downloader().fetch(remote(server, b"x" * 5_000_000), tmp_path / "m.gguf")
    assert server.sent < 5_000_000


def test_a_pickle_under_the_name_of_a_ctranslate2_model_is_refused_unless_trusted(
    server: FileServer, tmp_path: Path
) -> None:
    url = server.put("/model.bin", b"PK\x03\x04" + bytes(100))
    with pytest.raises(UnsafeFile):
        downloader().fetch(RemoteFile("model.bin", url), tmp_path / "model.bin")
    downloader().fetch(RemoteFile("model.bin", url, trusted=True), tmp_path / "model.bin")


def test_missing_and_refused_files_are_told_apart(server: FileServer, tmp_path: Path) -> None:
    gone = RemoteFile("a.gguf", f"{server.url}/a.gguf")
    with pytest.raises(NotInRegistry, match="404"):
        downloader().fetch(gone, tmp_path / "a.gguf")
    server.always = Fault(status=403)
    with pytest.raises(AccessRefused, match="HF_TOKEN"):
        downloader().fetch(remote(server), tmp_path / "m.gguf")


def test_a_disk_that_is_too_small_is_noticed_before_the_first_byte(
    server: FileServer, tmp_path: Path
) -> None:
    server.ranges = False
    server.always = Fault(longer=1 << 55)
    with pytest.raises(DiskFull, match=r"36028\.8 TB are needed"):
        downloader().fetch(remote(server), tmp_path / "m.gguf")
    assert not (tmp_path / "m.gguf").exists()


# --- going on ---


def cancelled_midway(server: FileServer, file: RemoteFile, target: Path) -> int:
    """Cancel a download when some of it is there, and return how many bytes are noted."""
    stop = threading.Event()

    def seen(progress: Progress) -> None:
        if progress.done > 300_000:
            stop.set()

    server.always = Fault(pause_at=60_000)
    server.faults = [Fault()] * 4
    with pytest.raises(Cancelled):
        downloader().fetch(file, target, seen, stop)
    server.always = None
    return sum(end - start for start, end in partials.read_state(target)["spans"])


def test_a_cancelled_download_goes_on_where_it_was(server: FileServer, tmp_path: Path) -> None:
    file = remote(server)
    noted = cancelled_midway(server, file, tmp_path / "m.gguf")
    fetched = downloader().fetch(file, tmp_path / "m.gguf")

    assert noted > 300_000
    assert fetched.received == len(MODEL) - noted
    assert fetched.sha256 == sha256(MODEL)


def test_a_file_that_changed_meanwhile_begins_anew(server: FileServer, tmp_path: Path) -> None:
    file = remote(server)
    cancelled_midway(server, file, tmp_path / "m.gguf")
    other = gguf(len(MODEL), seed=1)
    server.put("/m.gguf", other)
    fetched = downloader().fetch(file, tmp_path / "m.gguf")

    assert (tmp_path / "m.gguf").read_bytes() == other
    assert fetched.received == len(other)


def test_without_a_version_only_a_known_hash_is_continued(
    server: FileServer, tmp_path: Path
) -> None:
    server.etags = False
    file = remote(server)
    noted = cancelled_midway(server, file, tmp_path / "m.gguf")
    assert downloader().fetch(file, tmp_path / "m.gguf").received == len(MODEL)

    known = remote(server, sha256=sha256(MODEL))
    noted = cancelled_midway(server, known, tmp_path / "k.gguf")
    assert downloader().fetch(known, tmp_path / "k.gguf").received == len(MODEL) - noted


def test_after_a_crash_of_the_machine_only_a_known_hash_is_continued(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, known = remote(server), remote(server, sha256=sha256(MODEL))
    cancelled_midway(server, file, tmp_path / "m.gguf")
    noted = cancelled_midway(server, known, tmp_path / "k.gguf")
    monkeypatch.setattr(partials, "_BOOT", tmp_path / "another-boot")

    assert downloader().fetch(file, tmp_path / "m.gguf").received == len(MODEL)
    assert downloader().fetch(known, tmp_path / "k.gguf").received == len(MODEL) - noted


def test_a_damaged_note_is_no_note(server: FileServer, tmp_path: Path) -> None:
    target = tmp_path / "m.gguf"
    part_path(target).write_bytes(b"junk")
    for note in ("{", "[]", '{"spans": 3}', '{"spans": [[0, 4]]}'):
        state_path(target).write_text(note)
        assert downloader().fetch(remote(server), target).received == len(MODEL)


# --- redirects ---


def test_credentials_do_not_follow_to_another_host(
    server: FileServer, other_server: FileServer, tmp_path: Path
) -> None:
    secret = {"authorization": "Bearer secret"}
    url = other_server.put("/blob", MODEL)
    server.redirects = {"/m.gguf": "/near", "/near": url}
    file = RemoteFile("m.gguf", f"{server.url}/m.gguf", headers=secret)
    downloader().fetch(file, tmp_path / "m.gguf")

    assert [one.headers.get("authorization") for one in server.asked] == ["Bearer secret"] * 2
    assert all("authorization" not in one.headers for one in other_server.asked)
    # The way is asked for once, not for each range.
    assert len(other_server.asked) == 13


def test_an_address_that_has_run_out_is_asked_for_again(
    server: FileServer, other_server: FileServer, tmp_path: Path
) -> None:
    url = other_server.put("/blob", MODEL)
    server.redirects = {"/m.gguf": url}
    other_server.faults = [Fault(), Fault(), Fault(status=403), Fault(status=403)]
    downloader().fetch(RemoteFile("m.gguf", f"{server.url}/m.gguf"), tmp_path / "m.gguf")

    assert (tmp_path / "m.gguf").read_bytes() == MODEL
    assert len(server.asked) > 1


def test_a_token_that_has_run_out_is_renewed(server: FileServer, tmp_path: Path) -> None:
    server.put("/m.gguf", MODEL)
    server.needs = {"/m.gguf": "Bearer new"}
    file = RemoteFile(
        "m.gguf",
        f"{server.url}/m.gguf",
        headers={"authorization": "Bearer old"},
        renew=lambda: {"authorization": "Bearer new"},
    )
    downloader().fetch(file, tmp_path / "m.gguf")
    assert (tmp_path / "m.gguf").read_bytes() == MODEL


def test_endless_redirects_end(server: FileServer, tmp_path: Path) -> None:
    server.redirects = {"/m.gguf": "/m.gguf"}
    with pytest.raises(FetchFailed, match="redirected more than"):
        downloader().fetch(RemoteFile("m.gguf", f"{server.url}/m.gguf"), tmp_path / "m.gguf")


# --- several callers ---


def test_two_callers_share_one_download_which_ends_with_the_last(
    server: FileServer, tmp_path: Path
) -> None:
    one, file, target = downloader(), remote(server), tmp_path / "m.gguf"
    server.always = Fault(pause_at=20_000)
    stops = [threading.Event(), threading.Event()]
    ends: list[object] = [None, None]

    takes_part = [threading.Event(), threading.Event()]

    def call(number: int) -> None:
        def report(_: Progress) -> None:
            takes_part[number].set()

        try:
            ends[number] = one.fetch(file, target, report, cancel=stops[number])
        except Cancelled as error:
            ends[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(server.asked) == 4)
    assert all(event.wait(DEADLINE) for event in takes_part)
    stops[0].set()
    threads[0].join()
    assert isinstance(ends[0], Cancelled)

    server.go_on.set()
    threads[1].join()
    assert target.read_bytes() == MODEL
    assert server.sent == len(MODEL)


def test_a_download_ends_when_its_last_caller_leaves(server: FileServer, tmp_path: Path) -> None:
    one, file, stop = downloader(stall=60), remote(server), threading.Event()
    server.always = Fault(hang_at=20_000)

    def stop_midway() -> None:
        server.reached.wait(10)
        stop.set()

    timer = threading.Thread(target=stop_midway)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        one.fetch(file, tmp_path / "m.gguf", cancel=stop)
    timer.join()

    assert time.monotonic() - began < 30
    assert not [one for one in threading.enumerate() if one.name.startswith("fetch ")]


def test_a_caller_that_expects_another_hash_does_not_get_what_others_fetch(
    server: FileServer, tmp_path: Path
) -> None:
    one, target, ends = downloader(), tmp_path / "m.gguf", []
    first, second = remote(server), remote(server, sha256="0" * 64)
    server.always = Fault(pause_at=20_000)
    thread = threading.Thread(target=lambda: ends.append(one.fetch(first, target)))
    thread.start()
    eventually(lambda: len(server.asked) == 4)
    with pytest.raises(WrongFile, match="0000"):
        one.fetch(second, target, lambda _: server.go_on.set())  # as soon as it takes part
    thread.join()
    assert ends[0].sha256 == sha256(MODEL)
