"""Languages as Whisper calls them, whatever callers call them."""

from __future__ import annotations

import pytest

from localai.worker.languages import language_code, language_name


@pytest.mark.parametrize("said", ["en", "EN", "en-GB", "en_US", "English", " english "])
def test_language_is_told_by_its_code_or_name(said: str) -> None:
    assert language_code(said) == "en"
    assert language_name("en") == "english"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("jv", "jw"), ("nb", "no"), ("nb-NO", "no"), ("iw", "he"), ("in", "id"), ("in_ID", "id"),
        ("mandarin", "zh"), ("Burmese", "my"), ("flemish", "nl"), ("castilian", "es"),
        ("valencian", "ca"), ("moldovan", "ro"), ("haitian creole", "ht"),
    ],
)  # fmt: skip
def test_other_codes_and_names_of_a_language_are_known(said: str, code: str) -> None:
    assert language_code(said) == code


@pytest.mark.parametrize("said", ["", "klingon", "xx", "englishish"])
def test_what_is_no_language_has_no_code(said: str) -> None:
    assert language_code(said) is None
