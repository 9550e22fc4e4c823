from __future__ import annotations

from localai.gallery.entry import Entry
from localai.gallery.fit import FreeMemory, estimate, fit
from tests.unit.gallery.samples import entry

GIB = 1 << 30


def chat(parameters: float = 4e9, **changes: object) -> Entry:
    return entry(
        footprint={
            "weights": [{"parameters": int(parameters), "bits": 4.5}],
            "kv_per_token": 147456,
        },
        card={"limits": {"context": 8192, "max_concurrent": 2}},
        **changes,
    )


def test_weights_and_context_are_counted() -> None:
    need = estimate(chat())
    assert need is not None
    assert need.cache == 147456 * 8192 * 2
    assert 4e9 * 4.5 / 8 + need.cache < need.on_cpu < 4e9 * 4.5 / 8 + need.cache + GIB


def test_a_longer_context_needs_more() -> None:
    short, long = estimate(chat(), 4096), estimate(chat(), 32768)
    assert short is not None
    assert long is not None
    assert long.on_cpu - short.on_cpu == 147456 * 2 * (32768 - 4096)


def test_a_quantised_cache_is_smaller() -> None:
    one = chat()
    options = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
    small = one.model_copy(update={"card": one.card.model_copy(update={"options": options})})
    full, quantised = estimate(one), estimate(small)
    assert full is not None
    assert quantised is not None
    assert 0.5 < quantised.cache / full.cache < 0.6


def test_a_known_size_counts_before_an_estimate() -> None:
    need = estimate(chat(size=10 * GIB))
    assert need is not None
    assert need.on_cpu > 10 * GIB


def test_nobody_knows_without_size_and_weights() -> None:
    found = fit(entry(), FreeMemory(GIB))
    assert found.fits is None
    assert "before it is downloaded" in found.reason


def test_the_gpu_comes_first_and_the_cpu_is_named() -> None:
    on_gpu = fit(chat(), FreeMemory(2 * GIB, 24 * GIB))
    assert (on_gpu.fits, on_gpu.on_gpu) == (True, True)
    beside = fit(chat(), FreeMemory(32 * GIB, 2 * GIB))
    assert (beside.fits, beside.on_gpu) == (True, False)
    assert "too much for the GPU: it runs on the CPU" in beside.reason


def test_what_does_not_fit_says_by_how_much_and_what_helps() -> None:
    found = fit(chat(), FreeMemory(GIB))
    assert found.fits is False
    assert found.reason == (
        "needs about 5.1 GB of memory, but 1.1 GB are free; 2.4 GB of it is context: lower "
        "limits.context or limits.max_concurrent"
    )


def test_torch_holds_weights_in_its_own_type() -> None:
    picture = entry(
        backend="diffusers",
        capabilities=["image"],
        footprint={"weights": [{"parameters": 1_000_000_000, "bits": 16}]},
    )
    need = estimate(picture)
    assert need is not None
    assert 4e9 < need.on_cpu < 4e9 + 3 * GIB
    assert 2e9 < need.device < 2e9 + 3 * GIB


def test_parts_that_wait_their_turn_need_main_memory() -> None:
    parts = [{"parameters": 3_000_000_000, "bits": 16}, {"parameters": 1_000_000_000, "bits": 16}]
    picture = {"backend": "diffusers", "capabilities": ["image"], "footprint": {"weights": parts}}
    whole = estimate(entry(**picture))
    turns = estimate(entry(**picture, card={"options": {"offload": "model"}}))
    assert whole is not None
    assert turns is not None
    assert whole.device - turns.device == 2_000_000_000
    assert turns.host - whole.host == 2_000_000_000
