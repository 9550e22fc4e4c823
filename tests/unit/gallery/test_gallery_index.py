from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import CardError
from localai.gallery.index import Index, keep_former, load_gallery
from localai.protocol.capabilities import Capability
from tests.unit.gallery.samples import ENTRY, SHA, gallery


def problems(index: Index) -> list[str]:
    return [str(problem) for problem in index.problems]


def test_an_entry_is_read() -> None:
    index = gallery(ENTRY)
    entry = index.entries["tiny-chat"]

    assert problems(index) == []
    assert entry.capabilities == (Capability.CHAT, Capability.COMPLETION)
    assert entry.files[0].sha256 == SHA
    assert entry.download_size is None
    assert entry.unhashed == ()


def test_sizes_add_up_only_when_all_are_known() -> None:
    both = ENTRY.replace("tiny.gguf\n        sha", "tiny.gguf\n        size: 5\n        sha")
    assert gallery(both).entries["tiny-chat"].download_size == 5
    one = both + "      - {path: b.gguf, uri: hf://org/tiny/b.gguf}\n"
    assert gallery(one).entries["tiny-chat"].download_size is None


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("5", 5), ("484 MB", 484_000_000), ("2.50 GB", 2_500_000_000), ("91.6MB", 91_600_000),
        ("1.5 GiB", 3 << 29), ("12 kB", 12_000),
    ],
)  # fmt: skip
def test_a_size_may_be_written_for_people(written: str, count: int) -> None:
    text = ENTRY.replace(
        "tiny.gguf\n        sha", f"tiny.gguf\n        size: {written}\n        sha"
    )
    assert gallery(text).entries["tiny-chat"].files[0].size == count
    assert (
        gallery(ENTRY.replace("licence: mit", f"size: {written}")).entries["tiny-chat"].size
        == count
    )


@pytest.mark.parametrize("key", ["unusable", "models"])
@pytest.mark.parametrize("value", ["5", "text", "{a: 1}"])
def test_what_should_be_a_list_of_entries_is_named(key: str, value: str) -> None:
    if key == "models":
        with pytest.raises(CardError, match="is no gallery"):
            gallery(f"models: {value}\n")
        return
    index = gallery(ENTRY + f"{key}: {value}\n")
    assert list(index.entries) == ["tiny-chat"]
    assert problems(index) == [f"gallery.yaml:11: '{key}' must be a list of entries"]


def test_what_could_not_be_fetched_stays_as_it_was() -> None:
    reason = "{name: %s, reason: 'could not be fetched: no', unfetched: true}"
    lost = "".join(f"  - {reason % name}\n" for name in ("tiny-chat", "big", "new"))
    now = gallery(ENTRY.replace("tiny-chat", "other") + f"unusable:\n{lost}")
    former = gallery(ENTRY + "unusable:\n  - {name: big, reason: it runs on vllm}\n")
    kept = keep_former(now, former)

    assert set(kept.entries) == {"other", "tiny-chat"}
    assert kept.entries["tiny-chat"] == former.entries["tiny-chat"]
    assert kept.unusable["big"].reason == "it runs on vllm"
    assert kept.unusable["new"].unfetched


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("licence: mit", "license: mit", "4: unknown key 'license': here it is called 'licence'"),
        ("licence: mit", "licens: mit", "4: unknown key 'licens'. Did you mean 'licence'"),
        ("licence: mit", "options: {}", "4: unknown key 'options': write it under 'card'"),
        ("licence: mit", "context: 5", "4: unknown key 'context': write it under 'card.limits'"),
        ("path: tiny.gguf", "filename: t", "8: unknown key 'filename' in 'files': here it is"),
        ("capabilities: [chat,", "capabilities: [chatt,", "5: capabilities[0]: should be 'chat'"),
        ("backend: llama_cpp", "tags: []", "2: the key 'backend' is missing"),
        (
            SHA,
            "abc",
            '10: files[0].sha256: should be a SHA-256 checksum of 64 hex digits, not "abc"',
        ),
        ("name: tiny-chat", "name: a b", "2: name: 'a b' cannot be a model's name"),
        ("path: tiny.gguf", "path: ../up", "8: files[0].path: The file name '../up' would leave"),
        ("hf://org/tiny/tiny.gguf", "file:///etc/passwd", "9: files[0].uri: 'file:///etc/passwd'"),
        ("hf://org/tiny/tiny.gguf", "ftp://x/y", "9: files[0].uri: 'ftp://x/y' does not name"),
        ("licence: mit", "card: {defaults: {temprature: 1}}", "4: unknown key 'temprature' in"),
        ("licence: mit", "card: {defaults: {top_p: x}}", "4: card.defaults.top_p: should be a"),
        ("licence: mit", "size: much", "4: size: 'much' is no size: write bytes, or as `484 MB`"),
        ("licence: mit", "size: -1", "4: size: should be greater than or equal to 0, not -1"),
        ("licence: mit", "footprint: {weights: []}", "4: footprint.weights: must not be empty"),
    ],
)
def test_a_mistake_has_a_line_and_a_hint(wrong: str, right: str, says: str) -> None:
    index = gallery(ENTRY.replace(wrong, right, 1))
    assert index.entries == {}
    assert any(one.startswith(f"gallery.yaml:{says}") for one in problems(index)), problems(index)


def test_a_wrong_entry_leaves_the_others_alone() -> None:
    index = gallery(ENTRY + "  - name: broken\n")
    assert list(index.entries) == ["tiny-chat"]
    assert {problem.line for problem in index.problems} == {11}


def test_a_name_is_there_once() -> None:
    twice = ENTRY + ENTRY.removeprefix("models:\n")
    assert problems(gallery(twice)) == [
        "gallery.yaml:11: the name 'tiny-chat' is already taken in line 2"
    ]


def test_an_unknown_key_of_the_gallery_is_named() -> None:
    index = gallery("modells: []\n" + ENTRY)
    assert problems(index) == ["gallery.yaml:1: unknown key 'modells'. Did you mean 'models'?"]


@pytest.mark.parametrize("text", ["just text", "a: 1", "models: {a: 1}"])
def test_what_is_no_gallery_is_refused(text: str) -> None:
    with pytest.raises(CardError, match="is no gallery: it must hold `models:`"):
        gallery(text)


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    import yaml

    index = gallery(ENTRY + "unusable:\n  - {name: big, reason: it runs on vllm}\n")
    path = tmp_path / "copy.yaml"
    path.write_text(yaml.safe_dump(index.dump()), "utf-8")
    again = load_gallery(path)

    assert again.name == "copy"
    assert again.entries == index.entries
    assert again.unusable == index.unusable
