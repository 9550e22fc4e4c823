from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from localai.gallery.yaml_text import MAX_BYTES, MAX_VALUES, read_file, read_text

HERE = Path("g.yaml")


def data(text: str) -> object:
    source = read_text(dedent(text), HERE)
    assert source.problems == []
    return source.data


def problem(text: str) -> str:
    source = read_text(dedent(text), HERE)
    (found,) = source.problems
    return str(found)


def test_a_list_may_be_the_whole_document() -> None:
    assert data("- a: 1\n- b: [x, 2, 2.5, true, null, on]\n") == [
        {"a": 1},
        {"b": ["x", 2, 2.5, True, None, "on"]},
    ]


def test_every_key_has_its_line() -> None:
    source = read_text("models:\n  - name: a\n    files:\n      - path: x\n", HERE)
    assert source.line_of(("models", 0, "files", 0, "path")) == 4
    assert source.line_of(("models", 0, "nothing")) == 2


def test_merge_keys_bring_what_is_not_written() -> None:
    text = """\
        - &base {name: a, license: mit, files: [{filename: x}]}
        - !!merge <<: *base
          name: b
        - <<: *base
          name: c
          files: []
        """
    assert data(text) == [
        {"name": "a", "license": "mit", "files": [{"filename": "x"}]},
        {"name": "b", "license": "mit", "files": [{"filename": "x"}]},
        {"name": "c", "license": "mit", "files": []},
    ]


def test_of_several_merged_mappings_the_first_wins() -> None:
    assert data("- &a {k: 1}\n- &b {k: 2, l: 2}\n- {<<: [*a, *b]}\n") == [
        {"k": 1}, {"k": 2, "l": 2}, {"k": 1, "l": 2},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "g.yaml:1: is empty"),
        ("---\n---\n", "g.yaml:1: is empty"),
        ("a: 1\na: 2\n", "g.yaml:2: 'a' is written twice, first in line 1"),
        ("a: 1\n---\nb: 2\n", "g.yaml:3: holds a second document: write one in each file"),
        ("a: !!python/name:os.system x\n", "g.yaml:1: the tag !!python/name:os.system"),
        ("a: *nobody\n", "g.yaml:1: is not valid YAML: there is no anchor '&nobody' before this"),
        ("{[1]: 2}\n", "g.yaml:1: has a key that is not plain text"),
        ("<<: [1]\n", "g.yaml:1: '<<' must name mappings"),
        ("a: [\n", "g.yaml:2: is not valid YAML: did not find expected node content"),
    ],
)
def test_what_is_wrong_says_where(text: str, says: str) -> None:
    assert problem(text).startswith(says)


def test_depth_costs_nothing() -> None:
    assert "is nested too deeply" in problem("- " * 500_000)
    assert "is nested too deeply" in problem("[" * 500)


def test_anchors_cannot_multiply_without_end() -> None:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 20)]
    assert "holds too many values" in problem("\n".join(lines))
    assert MAX_VALUES < 10**19


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (found,) = read_file(path).problems
    assert found.message == "is larger than 32 MiB: this is no gallery"


def test_a_file_that_is_not_there_or_no_text_says_so(tmp_path: Path) -> None:
    (found,) = read_file(tmp_path / "none.yaml").problems
    assert found.message == "cannot be read: No such file or directory"
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff\xfe\n")
    (found,) = read_file(binary).problems
    assert found.message == "is not UTF-8 text"
