from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path

import gguf
import pytest

from localai.cards.importers.gguf import read_gguf_header
from localai.cards.importers.imported import CannotImport
from tests.unit.cards.importers.model_files import OWN_TEMPLATE, write_gguf, write_projector

ARCHITECTURES = ("llama", "qwen3", "gemma3", "phi3", "bert", "nomic-bert", "mamba")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_header_tells_what_the_file_is(architecture: str, tmp_path: Path) -> None:
    pooling = gguf.PoolingType.CLS if "bert" in architecture else None
    header = read_gguf_header(write_gguf(tmp_path / "m.gguf", architecture, pooling=pooling))

    assert (header.architecture, header.name, header.kind) == (architecture, "A Model", "model")
    assert (header.context_length, header.embedding_length) == (8192, 64)
    assert (header.file_type, header.chat_template) == ("Q4_K_M", OWN_TEMPLATE)
    assert header.pooling == ("cls" if pooling else None)
    assert header.split_count == 1


def test_a_projector_tells_its_type(tmp_path: Path) -> None:
    header = read_gguf_header(write_projector(tmp_path / "mmproj.gguf"))

    assert (header.architecture, header.kind, header.projector_type) == ("clip", "mmproj", "mlp")
    assert header.chat_template is None


def test_a_file_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_context_length(2048)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    assert read_gguf_header(tmp_path / "m.gguf").context_length == 2048


def test_a_large_vocabulary_is_passed_over(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", words=200_000)
    tracemalloc.start()
    begun = time.monotonic()
    header = read_gguf_header(path)
    taken, (_, most) = time.monotonic() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert header.chat_template == OWN_TEMPLATE
    assert most < 1 << 20
    assert taken < 10


# --- broken files ---


def head(tensors: int, pairs: int, rest: bytes = b"", *, version: int = 3) -> bytes:
    """Return the beginning of a file."""
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + rest


def text(content: str) -> bytes:
    """Return a text as the format has it."""
    return struct.pack("<Q", len(content.encode())) + content.encode()


HUGE = 1 << 62
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "a web page": (b"<!doctype html>", "it is a web page"),
    "magic alone": (b"GGUF", "cut off"),
    "version 1": (head(0, 0, version=1), "version 1"),
    "version 9": (head(0, 0, version=9), "version 9"),
    "countless keys": (head(0, HUGE), f"claims {HUGE} metadata keys"),
    "countless tensors": (head(HUGE, 0), f"claims {HUGE} tensors"),
    "more keys than bytes": (head(0, 1000, bytes(100)), "claims 1000 metadata keys"),
    "a key without end": (head(0, 1, struct.pack("<Q", HUGE) + bytes(20)), f"{HUGE} bytes"),
    "a text without end": (
        head(0, 1, text("a") + struct.pack("<IQ", 8, HUGE) + bytes(20)),
        f"value of 'a' of {HUGE} bytes",
    ),
    "a list without end": (
        head(0, 1, text("a") + struct.pack("<IIQ", 9, 4, HUGE)),
        f"claims {HUGE} values in 'a'",
    ),
    "texts without end": (
        head(0, 1, text("a") + struct.pack("<IIQ", 9, 8, 2) + struct.pack("<Q", HUGE) + bytes(9)),
        "cut off",
    ),
    "lists in lists in lists": (
        head(0, 1, text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 50),
        "unknown type 9",
    ),
    "an unknown type": (
        head(0, 1, text("a") + struct.pack("<I", 77) + bytes(9)),
        "unknown type 77",
    ),
    "many dimensions": (
        head(1, 0, text("a") + struct.pack("<I", 1 << 30) + bytes(40)),
        "dimensions",
    ),
    "a tensor behind the end": (
        head(1, 0, text("a") + struct.pack("<IQIQ", 1, 8, 0, 1 << 40)),
        "is cut off",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_at_once_and_without_memory(name: str, tmp_path: Path) -> None:
    content, reason = BROKEN[name]
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    begun = time.monotonic()
    with pytest.raises(CannotImport, match=reason):
        read_gguf_header(path)
    taken, (_, most) = time.monotonic() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 1 << 20
    assert taken < 2


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf", words=20).read_bytes()
    path = tmp_path / "m.gguf"
    for length in [*range(0, len(whole), 41), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CannotImport):
            read_gguf_header(path)
    path.write_bytes(whole)
    assert read_gguf_header(path).architecture == "llama"


def test_a_text_that_nobody_needs_is_not_kept(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", more={"a.licence": "x" * (2 << 20), "b.short": "y"})
    metadata = read_gguf_header(path).metadata

    assert "a.licence" not in metadata
    assert metadata["b.short"] == "y"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="No such file"):
        read_gguf_header(tmp_path / "none.gguf")
