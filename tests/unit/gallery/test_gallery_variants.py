"""Which form of a model is installed, where a gallery has several."""

from __future__ import annotations

import pytest

from localai.errors import InvalidRequest
from localai.gallery.entry import Entry, Unusable
from localai.gallery.fit import FreeMemory
from localai.gallery.index import Index
from localai.gallery.variants import choose_variant
from tests.unit.gallery.samples import entry

GB = 1_000_000_000
BASE = entry(name="base", size=GB, variants=["middle", "large", "theirs"])
MIDDLE, LARGE = entry(name="middle", size=5 * GB), entry(name="large", size=40 * GB)
OTHER = entry(name="other", size=6 * GB)
THEIRS = Unusable(name="theirs", reason="it runs on vllm")
HOME = Index("home", {one.name: one for one in (BASE, MIDDLE, LARGE, OTHER)}, {"theirs": THEIRS})


def chosen(free: FreeMemory, wanted: str | None = None, base: Entry = BASE) -> tuple[str, str]:
    choice = choose_variant(base, free, wanted, indexes=[Index("empty"), HOME])
    assert choice.entry.name == base.name
    return choice.variant, choice.reason


def test_the_largest_that_fits_is_taken_under_the_name_that_was_asked_for() -> None:
    name, reason = chosen(FreeMemory(16 * GB))
    assert name == "middle"
    assert reason.startswith("the largest of 3 that fits this machine: it needs about 5.")
    assert chosen(FreeMemory(640 * GB))[0] == "large"
    choice = choose_variant(BASE, FreeMemory(16 * GB), indexes=[HOME])
    assert choice.entry == MIDDLE.model_copy(update={"name": "base"})


def test_what_fits_the_gpu_comes_before_what_is_larger_and_slow() -> None:
    name, reason = chosen(FreeMemory(host=640 * GB, device=8 * GB))
    assert name == "middle"
    assert "fits on the GPU" in reason


def test_the_model_itself_is_taken_where_nothing_fits_or_nobody_knows() -> None:
    assert chosen(FreeMemory(GB // 2)) == (
        "base",
        "none of its 3 forms is known to fit this machine",
    )
    sizeless = entry(name="s", variants=["t"])
    home = Index("home", {"s": sizeless, "t": entry(name="t")})
    choice = choose_variant(sizeless, FreeMemory(64 * GB), indexes=[home])
    assert (choice.variant, choice.reason) == ("s", "nobody knows how large its other forms are")


def test_a_wanted_form_is_taken_also_where_it_does_not_fit() -> None:
    assert chosen(FreeMemory(GB), "large") == ("large", "it was asked for")
    assert chosen(FreeMemory(640 * GB), "base") == ("base", "it was asked for")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("other", "'other' is no variant of 'base', only: base, middle, large."),
        ("midle", "Did you mean 'middle'"),
        ("theirs", "The variant 'theirs' of 'base' cannot be installed: it runs on vllm."),
    ],
)
def test_what_is_no_form_of_it_is_refused(wanted: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        chosen(FreeMemory(16 * GB), wanted)
    assert says in raised.value.message
    assert raised.value.param == "variant"


def test_forms_are_looked_for_in_the_gallery_of_the_model() -> None:
    elsewhere = Index("elsewhere", {"base": entry(name="base", size=2 * GB), "middle": LARGE})
    choice = choose_variant(BASE, FreeMemory(16 * GB), indexes=[elsewhere, HOME])
    assert choice.entry.size == 5 * GB
    alone = choose_variant(OTHER, FreeMemory(16 * GB), indexes=[elsewhere, HOME])
    assert (alone.variant, alone.reason) == (
        "other",
        "it has no other form that can be run here",
    )
