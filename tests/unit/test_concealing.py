from __future__ import annotations

import pytest

from localai.concealing import all_concealed, concealed, shown_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@host:80/a?x=1&t=s, it said.", "https://host:80/a?…, it said."),
        ("https://u:p@ss@host/a.", "https://host/a."),
        ("see https://host/a#access_token=s", "see https://host/a#…"),
        ("('oci://me@host/a:tag')", "('oci://host/a:tag')"),
        ("oci://host/a@sha256:1 here", "oci://host/a@sha256:1 here"),
        ("mail me@host or hf://org/repo:Q4.", "mail me@host or hf://org/repo:Q4."),
        ("is it https://host/a?", "is it https://host/a?"),
        ("https://[::1/a is none", "https://[::1/a is none"),
    ],
)
def test_addresses_in_sentences_are_told_without_logins_and_queries(text: str, shown: str) -> None:
    assert concealed(text) == shown


def test_every_text_of_a_value_is_concealed() -> None:
    order = {"https://u@h/a": ["https://h/b?t=s", 3, None], "n": ("https://h/c",)}
    assert all_concealed(order) == {"https://h/a": ["https://h/b?…", 3, None], "n": ["https://h/c"]}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@ss@host:80/a?id=7&token=s", "https://host:80/a?id=7&token=***"),
        ("https://h/a?X-Amz-Signature=1&AWSAccessKeyId=b&monkey=3",
         "https://h/a?X-Amz-Signature=***&AWSAccessKeyId=***&monkey=3"),
        ("https://u@h/p/https://v@h2/x", "https://h/p/https://v@h2/x"),
    ],
)  # fmt: skip
def test_an_address_keeps_what_says_which_file_is_meant(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert shown_url(shown) == shown


def test_of_what_is_no_address_nothing_is_told() -> None:
    assert shown_url("https://[::1/a?token=s") == "https:…"
