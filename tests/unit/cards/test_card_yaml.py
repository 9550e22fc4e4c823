from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.yaml_source import MAX_BYTES, YamlSource, read_yaml


def read(tmp_path: Path, content: str | bytes) -> YamlSource:
    path = tmp_path / "card.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_yaml(path)


def complaint(source: YamlSource) -> tuple[int | None, str]:
    assert len(source.problems) == 1
    return source.problems[0].line, source.problems[0].message


def test_every_place_knows_its_line(tmp_path: Path) -> None:
    source = read(tmp_path, "name: a\nlimits:\n  queue: 3\nfiles:\n- path: x\n- path: y\n")

    assert source.data == {
        "name": "a",
        "limits": {"queue": 3},
        "files": [{"path": "x"}, {"path": "y"}],
    }
    assert source.line_of(("limits", "queue")) == 3
    assert source.line_of(("files", 1, "path")) == 6
    assert source.line_of(("limits", "nowhere")) == 2


def test_scalars_are_json_values_and_dates_are_text(tmp_path: Path) -> None:
    source = read(tmp_path, "{a: 1, b: 1.5, c: true, d: null, e: 2024-01-01, 1: x, on: y}")

    assert source.data == {
        "a": 1, "b": 1.5, "c": True, "d": None, "e": "2024-01-01", "1": "x", "on": "y",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", 1, "is empty"),
        ("# only a comment\n", 1, "is empty"),
        ("---\n---\n", 1, "is empty"),
        ("- a\n- b\n", 1, "must hold `key: value` lines"),
        ("just text", 1, "must hold `key: value` lines"),
        ("name: a\n---\nname: b\n", 3, "holds a second card"),
        ("name: a\nlimits:\n\tqueue: 3\n", 3, "a tab cannot indent YAML"),
        ("name: a\nb: [1, 2\n", 3, "is not valid YAML"),
        ("a: 1\nb: *nowhere\n", 2, "is not valid YAML"),
        ("a: 1\n? [x]\n: 2\n", 2, "a key that is not plain text"),
        ("a: !!python/object:os.system x\n", 1, "cannot be used"),
        ("a: 1\nb: !!int x\n", 2, "cannot be read as a value"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        ("a: 1\nb: \x07\n", None, "is not valid YAML"),
    ],
)
def test_what_is_no_card_is_refused_plainly(
    tmp_path: Path, content: str | bytes, line: int | None, message: str
) -> None:
    where, what = complaint(read(tmp_path, content))

    assert message in what
    assert where == line


def test_switches_and_clocks_are_text_as_in_todays_yaml(tmp_path: Path) -> None:
    source = read(tmp_path, "{a: on, b: No, c: 1:30, d: True, e: false}")

    assert source.data == {"a": "on", "b": "No", "c": "1:30", "d": True, "e": False}


def test_a_key_written_twice_names_both_lines(tmp_path: Path) -> None:
    source = read(tmp_path, "name: a\nbackend: echo\nname: b\n")

    assert complaint(source) == (3, "'name' is written twice, first in line 1")


def test_anchors_may_be_used(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x [1]\nb: *x\n").data == {"a": [1], "b": [1]}


def test_merged_mappings_may_be_used(tmp_path: Path) -> None:
    source = read(tmp_path, "a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n")
    assert source.data == {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}
    assert source.line_of(("b", "l")) == 2


def test_blank_documents_do_not_count(tmp_path: Path) -> None:
    assert read(tmp_path, "---\n# about\n---\na: 1\n---\n").data == {"a": 1}


def test_a_bomb_of_anchors_ends_early(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert "too many values" in complaint(read(tmp_path, "\n".join(levels)))[1]


@pytest.mark.parametrize(
    "content", ["a: &a [*a]\n", "a: " + "[" * 3000, "a: " + "[" * 40 + "]" * 40]
)
def test_endless_nesting_ends(tmp_path: Path, content: str) -> None:
    assert "nested too deeply" in complaint(read(tmp_path, content))[1]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    assert "larger than 1 MiB" in complaint(read(tmp_path, b"#" * (MAX_BYTES + 1)))[1]


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    assert "No such file" in complaint(read_yaml(tmp_path / "none.yaml"))[1]
