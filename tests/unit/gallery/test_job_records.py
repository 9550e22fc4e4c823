"""Records of jobs: what an order comes to in them, and those that the version before has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.api.admin.job_description import describe_job
from localai.file_locks import open_locked
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
    (folder / "1.json").write_text(json.dumps({**BEFORE, "order": order, **changes}))


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
