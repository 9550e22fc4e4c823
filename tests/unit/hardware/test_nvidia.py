from __future__ import annotations

import pytest

from localai.hardware.gpu import FoundGpus, Gpu
from localai.hardware.machine import detect
from localai.hardware.nvidia import COMMAND, detect_nvidia, parse_nvidia, parse_slices
from localai.hardware.visible import visible
from tests.unit.hardware.recorded import Recorded, failed, printed

MIB = 2**20
RTX, A2000 = (f"GPU-{digit * 8}-0000-0000-0000-000000000000" for digit in "ab")
TABLE = f"{RTX}, NVIDIA GeForce RTX 4090, 24564, 23898\n{A2000}, NVIDIA RTX A2000, 6138, 5900\n"
A100 = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
SMALL, LARGE = (
    "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f",
    "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb",
)
LISTED = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A100})
  MIG 1g.5gb      Device  0: (UUID: {SMALL})
  MIG 3g.20gb     Device  1: (UUID: {LARGE})
GPU 1: NVIDIA GeForce RTX 4090 (UUID: {RTX})
"""
CUT = f"{A100}, NVIDIA A100-SXM4-40GB, 40960, 40000\n{RTX}, NVIDIA GeForce RTX 4090, 24564, 23898\n"


def names(found: FoundGpus) -> list[str]:
    return [gpu.name.removeprefix("NVIDIA ") for gpu in found.gpus]


def asked(table: str, listed: str = "", **variables: str) -> FoundGpus:
    probe = Recorded({"nvidia-smi": printed(table), "nvidia-smi -L": printed(listed)})
    probe.variables = variables
    return detect_nvidia(probe)


def test_name_and_memory_are_listed() -> None:
    first, second = asked(TABLE).gpus

    assert first == Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24564 * MIB, 23898 * MIB, "cuda")
    assert second.memory_total == 6138 * MIB
    assert asked("") == FoundGpus()


@pytest.mark.parametrize("word", ["[N/A]", "[N A]", "[Not Supported]"])
def test_one_memory_for_both_tells_no_size(word: str) -> None:
    found = asked(f"GPU-1, NVIDIA GB10, {word}, {word}\n")

    assert found == FoundGpus(
        (Gpu("nvidia", "NVIDIA GB10", None, None, "cuda", shares_memory=True),)
    )


@pytest.mark.parametrize(
    "word",
    [
        "[GPU is lost]", "[Unknown Error]", "[Insufficient Permissions]", "[GPU requires reset]",
        "[Function Not Found]", "", "many", "-5", "2.5",
    ],
)  # fmt: skip
def test_a_fault_is_no_shared_memory_but_a_trouble(word: str) -> None:
    found = asked(f"GPU-1, RTX A, {word}, {word}\n{TABLE}")

    assert names(found) == ["GeForce RTX 4090", "RTX A2000"]
    assert found.troubles == (f"`nvidia-smi` says of the memory of RTX A: {word}",)


def test_a_size_without_what_is_free_still_counts() -> None:
    found = asked("GPU-1, RTX A, 8188, [Unknown Error]\n")

    assert found.gpus[0].memory_free is None
    assert found.gpus[0].memory_total == 8188 * MIB
    assert found.troubles == (
        "`nvidia-smi` says of the free memory of RTX A: [Unknown Error]",
    )  # fmt: skip


@pytest.mark.parametrize(
    "line", ["No devices were found", "Unable to determine the device handle", "a, b", "a,b,c,d,e"]
)
def test_a_line_that_is_no_row_is_told(line: str) -> None:
    (trouble,) = asked(f"{line}\n{TABLE}").troubles

    assert trouble.startswith("`nvidia-smi` printed what is no GPU: ")
    assert len(asked(f"{line}\n{TABLE}").gpus) == 2


def test_a_driver_that_does_not_answer_is_told() -> None:
    trouble = "`nvidia-smi` ended with exit code 9: NVIDIA-SMI has failed"

    assert detect_nvidia(Recorded({"nvidia-smi": failed(trouble)})) == FoundGpus(
        troubles=(trouble,)
    )
    assert detect_nvidia(Recorded()) == FoundGpus()


def test_a_lost_gpu_does_not_hide_the_others() -> None:
    lost = failed("`nvidia-smi` ended with exit code 15: GPU is lost")
    probe = Recorded(
        {"nvidia-smi": type(lost)(False, f"{TABLE}GPU is lost. Reboot.\n", lost.trouble)}
    )

    found = detect_nvidia(probe)
    assert len(found.gpus) == 2
    assert found.troubles == (lost.trouble,)


def test_the_table_asks_for_what_is_read() -> None:
    assert COMMAND[1] == "--query-gpu=uuid,name,memory.total,memory.free"


# --- slices ---


def test_slices_are_listed_below_their_gpu() -> None:
    small, large = parse_slices(LISTED)

    assert (small.card, small.uuid, small.profile) == (A100, SMALL, "1g.5gb")
    assert (small.memory_total, large.memory_total) == (4864 * MIB, 19456 * MIB)


@pytest.mark.parametrize(
    ("profile", "mib"),
    [("1g.10gb+me", 9728), ("1c.3g.20gb", 19456), ("7g.80gb", 77824), ("1g.18gb", 17510)],
)
def test_profiles_of_slices_have_many_forms(profile: str, mib: int) -> None:
    text = f"GPU 0: X (UUID: {A100})\n  MIG {profile}  Device  0: (UUID: MIG-1)\n"

    assert parse_slices(text)[0].memory_total // MIB == mib


def test_older_ids_of_slices_are_read() -> None:
    text = f"GPU 0: X (UUID: {A100})\n  MIG 3g.20gb Device 0: (UUID: MIG-{A100}/1/0)\n"

    assert parse_slices(text)[0].uuid == f"MIG-{A100}/1/0"


@pytest.mark.parametrize(
    "text", ["", "No devices found.", TABLE, "  MIG 3g Device 0: (UUID: x)", "GPU 0: X"]
)
def test_a_list_without_slices_has_none(text: str) -> None:
    assert parse_slices(text) == ()


def test_a_gpu_in_slices_is_its_first_slice_and_not_the_whole() -> None:
    found = asked(CUT, LISTED)

    assert names(found) == ["A100-SXM4-40GB MIG 1g.5gb", "GeForce RTX 4090"]
    assert found.gpus[0].memory_total == 4864 * MIB


def test_the_slice_that_is_chosen_counts() -> None:
    assert names(asked(CUT, LISTED, CUDA_VISIBLE_DEVICES=LARGE)) == ["A100-SXM4-40GB MIG 3g.20gb"]


def test_a_container_with_a_slice_may_not_ask_for_the_whole() -> None:
    table = (
        f"{A100}, NVIDIA A100-SXM4-40GB, [Insufficient Permissions], [Insufficient Permissions]\n"
    )
    found = asked(table, LISTED)

    assert [gpu.memory_total for gpu in found.gpus] == [4864 * MIB]
    assert found.troubles == ()


# --- what is hidden ---


@pytest.mark.parametrize(
    ("variable", "left"),
    [
        (None, [0, 1, 2]), ("0", [0]), ("2,0", [2, 0]), (" 1 , 2 ", [1, 2]), ("0,0,1", [0, 1]),
        ("", []), ("-1", []), ("NoDevFiles", []), ("0,-1,1", [0]), ("7,1", []), ("1,7,2", [1]),
        ("GPU-aaa", [0]), ("gpu-BBB", [1]), ("GPU-", []), ("GPU-c0,GPU-aaa", [2, 0]),
        ("GPU-unknown", []), ("²", []), (",0", []), ("all", []),
    ],
)  # fmt: skip
def test_what_a_variable_leaves(variable: str | None, left: list[int]) -> None:
    assert visible(variable, ["GPU-aaa", "GPU-bbb", "GPU-c0"]) == left


def test_nameless_gpus_are_counted_only() -> None:
    assert visible("1", ["", ""]) == [1]
    assert visible("GPU-1", ["", ""]) == []


@pytest.mark.parametrize(
    ("variable", "shown"),
    [("1", ["RTX A2000"]), ("", []), ("-1", []), (RTX, ["GeForce RTX 4090"])],
)
def test_hidden_gpus_do_not_count(variable: str, shown: list[str]) -> None:
    assert names(asked(TABLE, CUDA_VISIBLE_DEVICES=variable)) == shown


def test_the_trouble_of_a_hidden_gpu_is_nobodys() -> None:
    table = f"GPU-1, RTX A, [GPU is lost], [GPU is lost]\n{TABLE}"

    assert asked(table, CUDA_VISIBLE_DEVICES="1").troubles == ()


def test_the_whole_machine_sees_the_same() -> None:
    probe = Recorded({"nvidia-smi": printed(TABLE)}, variables={"CUDA_VISIBLE_DEVICES": "1"})

    assert [gpu.name for gpu in detect(probe).gpus] == ["NVIDIA RTX A2000"]
    assert parse_nvidia(TABLE).troubles == ()
