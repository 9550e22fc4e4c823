from __future__ import annotations

from pathlib import Path

from localai.store.linking import link


def test_linking_a_file_to_where_it_is_already_leaves_nothing_beside_it(tmp_path: Path) -> None:
    source, target = tmp_path / "blob", tmp_path / "store/m.gguf"
    source.write_bytes(b"GGUF")
    link(source, target)
    link(source, target)

    assert target.samefile(source)
    assert [one.name for one in target.parent.iterdir()] == ["m.gguf"]


def test_a_link_that_cannot_be_put_in_place_is_removed(tmp_path: Path) -> None:
    source, target = tmp_path / "blob", tmp_path / "store/m.gguf"
    source.write_bytes(b"GGUF")
    target.mkdir(parents=True)
    try:
        link(source, target)
    except OSError:
        assert [one.name for one in target.parent.iterdir()] == ["m.gguf"]
    else:
        raise AssertionError("a folder was replaced")
