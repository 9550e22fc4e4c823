"""Records of jobs: what an order comes to in them, and those that the version before has left."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localai.api.admin.job_description import describe_job
from localai.file_locks import open_locked
from localai.files import replace_text
from localai.gallery.job import Job
from localai.gallery.job_records import JobRecords
from localai.gallery.jobs import Jobs
from localai.gallery.order import (
    ConfigureOrder,
    DeleteOrder,
    FetchOrder,
    InstallOrder,
    Order,
    OrderedFile,
    PullOrder,
    as_json,
    read_order,
)
from tests.unit.gallery.samples import SHA

LONG = 10.0
FILES = (OrderedFile("a.gguf", "hf://org/a/a.gguf", SHA), OrderedFile("b", "hf://org/b/b"))
ORDERS: list[tuple[Order, dict[str, Any], str]] = [
    (
        FetchOrder("small", {"hf://org/small": None, "hf://org/eyes/e.gguf": SHA}),
        {
            "kind": "fetch", "card": "small",
            "wants": {"hf://org/small": None, "hf://org/eyes/e.gguf": SHA},
        },
        "small",
    ),
    (
        InstallOrder("mine@base", "base", "middle", force=True, from_caller=True),
        {
            "kind": "install", "entry": "mine@base", "name": "base", "variant": "middle",
            "force": True, "from_caller": True,
        },
        "base",
    ),
    (
        PullOrder("hf://org/repo", None, files=FILES, overrides={"parameters": {"top_k": 7}}),
        {
            "kind": "pull", "reference": "hf://org/repo", "name": None,
            "overrides": {"parameters": {"top_k": 7}},
            "files": [
                {"filename": "a.gguf", "uri": "hf://org/a/a.gguf", "sha256": SHA},
                {"filename": "b", "uri": "hf://org/b/b"},
            ],
        },
        "hf://org/repo",
    ),
    (
        ConfigureOrder("", {"name": "own"}, "own", description="Mine.", from_caller=True),
        {
            "kind": "configure", "url": "", "config": {"name": "own"}, "name": "own",
            "description": "Mine.", "from_caller": True,
        },
        "own",
    ),
    (DeleteOrder("old"), {"kind": "delete", "name": "old"}, "old"),
]  # fmt: skip
BEFORE = {
    "id": "1", "state": "running", "phase": "fetching", "error": None, "code": None,
    "status": None, "files": {"a.gguf": [5, 10], "b": [1, None]}, "file": "a.gguf", "speed": 2.0,
    "created": 1000.0, "changed": 1001.0, "failures": 2, "try_at": None, "notes": ["A note."],
    "is_elsewhere": False, "owner": "0123",
}  # fmt: skip


def before(folder: Path, order: dict[str, Any], **changes: Any) -> None:
    record = {**BEFORE, "order": order, **changes}
    (folder / f"{record['id']}.json").write_text(json.dumps(record))


@pytest.mark.parametrize(("order", "written", "model"), ORDERS)
def test_an_order_is_read_as_it_was_written(
    order: Order, written: dict[str, Any], model: str
) -> None:
    assert as_json(order) == written
    assert read_order(json.loads(json.dumps(written))) == order
    assert order.model == model


@pytest.mark.parametrize(("order", "written", "model"), ORDERS)
def test_a_record_of_the_version_before_is_read(
    tmp_path: Path, order: Order, written: dict[str, Any], model: str
) -> None:
    before(tmp_path, written)
    records = JobRecords(tmp_path)
    (job,) = records.take_over(1002.0)
    assert (job.order, job.state, job.phase) == (order, "running", "fetching")
    assert (job.files, job.notes) == ({"a.gguf": (5, 10), "b": (1, None)}, ("A note.",))
    # And so is what is written of it now.
    (again,) = JobRecords(tmp_path).others(())
    assert (again.order, again.state, again.phase) == (job.order, job.state, job.phase)


@pytest.mark.parametrize(
    ("state", "phase", "known", "shown"),
    [
        ("waiting", "waiting", "waiting", ("waiting", "waiting")),
        ("running", "resolving", "running", ("running", "resolving")),
        ("running", "cancelling", "cancelling", ("running", "cancelling")),
        ("done", "done", "done", ("done", "done")),
        ("failed", "failed", "failed", ("failed", "failed")),
        ("cancelled", "cancelled", "cancelled", ("cancelled", "cancelled")),
    ],
)
def test_a_state_of_the_version_before_is_answered_as_before(
    tmp_path: Path, state: str, phase: str, known: str, shown: tuple[str, str]
) -> None:
    before(tmp_path, {"kind": "delete", "name": "old"}, state=state, phase=phase)
    (job,) = JobRecords(tmp_path).take_over(1002.0)
    told = describe_job(job)
    assert (job.state, (told["state"], told["phase"])) == (known, shown)


def test_what_was_being_cancelled_before_is_not_taken_up_again(tmp_path: Path) -> None:
    before(tmp_path, {"kind": "fetch", "card": "a", "wants": {}}, phase="cancelling")
    jobs = Jobs(tmp_path, lambda *_: (), clock=lambda: 1002.0)
    assert jobs.resume() == []
    assert jobs.find("1").state == "cancelled"
    jobs.close()


def test_an_upper_case_hash_of_the_version_before_is_the_same_hash(tmp_path: Path) -> None:
    file = {"filename": "a.gguf", "uri": "hf://org/a/a.gguf", "sha256": SHA.upper()}
    order = read_order({"kind": "pull", "reference": "hf://o/r", "name": "r", "files": [file]})
    assert isinstance(order, PullOrder)
    assert order.files[0].sha256 == SHA


@pytest.mark.parametrize("meanwhile", ["looked at", "removed before", "removed after"])
def test_a_gateway_is_known_whatever_others_do_while_it_makes_itself_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    left = [meanwhile]

    def disturbed(path: Path) -> int | None:
        what = left.pop() if left else ""
        if what == "looked at":  # which takes the lock for a moment
            return None
        if what == "removed before":
            path.unlink()
        descriptor = open_locked(path)
        if what == "removed after":
            path.unlink()
        return descriptor

    monkeypatch.setattr("localai.gallery.job_records.open_locked", disturbed)
    records = JobRecords(tmp_path)
    records.write(Job("1", DeleteOrder("old"), changed=1000.0))
    (seen,) = JobRecords(tmp_path).others(())
    assert (seen.id, seen.is_elsewhere) == ("1", True)
    assert JobRecords(tmp_path).take_over(1000.0) == []
    records.close()


@pytest.mark.parametrize("order", [{}, {"kind": "nonsense"}, {"kind": "fetch"}, "fetch", None])
def test_a_record_with_no_order_is_removed(tmp_path: Path, order: Any) -> None:
    before(tmp_path, order)
    assert JobRecords(tmp_path).take_over(1002.0) == []
    assert not list(tmp_path.glob("*.json"))


def read_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `path` be one that cannot be opened, as when a process has too many files open."""
    opened = io.open

    def refused(file: Any, *args: Any, **options: Any) -> Any:
        if str(file) == str(path):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(file))
        return opened(file, *args, **options)

    monkeypatch.setattr(io, "open", refused)


@pytest.mark.parametrize("is_start", [True, False])
def test_a_record_of_a_newer_version_stays_while_its_gateway_lives(
    tmp_path: Path, is_start: bool
) -> None:
    other, records = JobRecords(tmp_path), JobRecords(tmp_path)
    other.write(Job("1", DeleteOrder("old"), changed=1000.0))
    path = tmp_path / "1.json"
    path.write_text(path.read_text().replace('"delete"', '"convert"'))
    look = records.take_over if is_start else records.take_over_left
    assert look(1000.0, ()) == []
    assert path.exists()
    assert records.others(()) == []
    other.close()


def test_a_broken_record_is_removed_at_a_start_alone(tmp_path: Path) -> None:
    records = JobRecords(tmp_path)
    (tmp_path / "1.json").write_text("{")
    assert records.take_over_left(1000.0, ()) == []
    assert (tmp_path / "1.json").exists()
    assert records.take_over(1000.0) == []
    assert not (tmp_path / "1.json").exists()


@pytest.mark.parametrize("is_start", [True, False])
def test_a_record_that_cannot_be_read_for_now_stays_and_is_told_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_start: bool,
) -> None:
    for name in ("1", "2"):
        before(tmp_path, {"kind": "delete", "name": "old"}, id=name)
    records = JobRecords(tmp_path)
    look = records.take_over if is_start else records.take_over_left
    with monkeypatch.context() as patched:
        read_later(tmp_path / "1.json", patched)
        assert [job.id for job in look(1002.0, ())] == ["2"]
        assert look(1002.0, {"2"}) == []
    assert len([text for text in caplog.messages if "1.json" in text]) == 1
    assert [job.id for job in look(1002.0, {"2"})] == ["1"]
    records.close()


def test_a_gateway_whose_mark_cannot_be_opened_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, records = JobRecords(tmp_path), JobRecords(tmp_path)
    other.write(Job("1", DeleteOrder("old"), changed=1000.0))
    (mark,) = tmp_path.glob(".gateway-*")
    records.write(Job("2", DeleteOrder("own"), changed=1000.0))
    opened = os.open

    def refused(path: Any, *args: Any, **options: Any) -> int:
        if Path(path) == mark:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(os, "open", refused)
    assert records.take_over_left(1000.0, {"2"}) == []
    assert records.claim("1") is None
    assert [job.is_elsewhere for job in records.others({"2"})] == [True]
    other.close()
    records.close()


def test_what_was_taken_over_is_known_though_the_rest_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "2"):
        before(tmp_path, {"kind": "delete", "name": "old"}, id=name)

    def full(path: Path, *args: Any) -> None:
        if path.name == "2.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace_text(path, *args)

    records = JobRecords(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("localai.gallery.job_records.replace_text", full)
        assert [job.id for job in records.take_over(1002.0)] == ["1"]
    assert [job.id for job in records.take_over_left(1002.0, {"1"})] == ["2"]
    records.close()


def test_nobody_waits_long_for_a_gateway_that_is_taking_over_jobs(tmp_path: Path) -> None:
    before(tmp_path, {"kind": "delete", "name": "old"})
    records = JobRecords(tmp_path)
    (tmp_path / ".lock").touch()
    held = open_locked(tmp_path / ".lock")
    assert held is not None
    calls: list[Callable[[], object]] = [
        lambda: records.take_over_left(1002.0, ()),
        lambda: records.take_over(1002.0),
        lambda: records.claim("1"),
    ]
    with ThreadPoolExecutor() as pool:
        try:
            found = [pool.submit(call).result(LONG) for call in calls]
        finally:
            os.close(held)
    assert found == [[], [], None]
    assert [job.id for job in records.take_over_left(1002.0, ())] == ["1"]
    records.close()
