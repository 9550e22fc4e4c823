from __future__ import annotations

from localai.gallery.fit import FreeMemory
from localai.gallery.index import Index
from localai.gallery.search import search
from localai.protocol.capabilities import Capability
from tests.unit.gallery.samples import ENTRY, entry, gallery

GIB = 1 << 30
FREE = FreeMemory(8 * GIB)


def weights(count: int) -> dict[str, object]:
    return {"weights": [{"parameters": count, "bits": 8}]}


INDEX = Index(
    "mine",
    {
        one.name: one
        for one in (
            entry(name="qwen-large", footprint=weights(40 * GIB), tags=["tools"]),
            entry(name="qwen", footprint=weights(GIB)),
            entry(name="mistral", description="Not a Qwen.", footprint=weights(GIB)),
            entry(name="voice", capabilities=["speech"], backend="piper"),
        )
    },
)


def names(words: str = "", **wanted: object) -> list[str]:
    return [
        one.model.name
        for one in search([INDEX], words, free=FREE, **wanted)  # type: ignore[arg-type]
    ]


def test_a_name_counts_more_than_a_description() -> None:
    assert names("QWEN") == ["qwen", "qwen-large", "mistral"]


def test_all_words_must_be_there() -> None:
    assert names("qwen tools") == ["qwen-large"]
    assert names("qwen nothing") == []


def test_no_words_find_everything_in_its_order() -> None:
    assert names() == ["qwen-large", "qwen", "mistral", "voice"]


def test_capability_and_fit_narrow_it_down() -> None:
    assert names(capability=Capability.SPEECH) == ["voice"]
    assert names(fits_only=True) == ["qwen", "mistral"]


def test_what_cannot_be_run_comes_last_with_its_reason() -> None:
    index = gallery(
        "unusable:\n  - {name: tiny, reason: it runs on vllm, capabilities: [chat]}\n" + ENTRY
    )
    found = search([index], "tiny", free=FREE)
    assert [one.model.name for one in found] == ["tiny-chat", "tiny"]
    assert found[1].fit.fits is False
    assert found[1].fit.reason == "it runs on vllm"
    assert len(search([index], "tiny", free=FREE, fits_only=True)) == 0
