"""What a file may be: formats that cannot run code, and beginnings that fit the name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from localai.cards.importers.first_bytes import GGUF_MAGIC, name_format
from localai.cards.pickles import unsafe_paths
from localai.store.errors import UnsafeFile, WrongFile

_CTRANSLATE2 = "model.bin"
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"


def refuse_unsafe(paths: Collection[str], source: str, trust: bool) -> None:
    """Raise UnsafeFile when one of `paths` is a format that runs code as it is read.

    CTranslate2 writes plain numbers to `model.bin`; its folder is known by the vocabulary beside
    it, and the file's first bytes are looked at when they come.
    """
    unsafe = unsafe_paths(paths)
    if trust or not unsafe:
        return
    raise UnsafeFile(
        f"{source} holds {', '.join(unsafe[:3])}: files of this kind are Python pickles, which can "
        "run any program when they are read. Take a .safetensors or .gguf of the model, or say "
        "that you trust it: `localai pull --trust`, or `trust: true` in the card.",
        details={"files": unsafe},
    )


def check_head(path: str, head: bytes, source: str, trusted: bool = False) -> None:
    """Raise WrongFile when a file named `path` cannot begin with `head`.

    Raises UnsafeFile for a pickle under the name of a CTranslate2 model, unless `trusted`.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".gguf" and not head.startswith(GGUF_MAGIC):
        raise WrongFile(f"{source} is not a GGUF model: it is {name_format(head)}.")
    if suffix == ".safetensors" and head[8:9] != b"{":
        raise WrongFile(f"{source} is not a safetensors file: it is {name_format(head)}.")
    disguised = PurePosixPath(path).name == _CTRANSLATE2 and not trusted
    if disguised and head.startswith((_ZIP, _PICKLE)):
        raise UnsafeFile(f"{source} is a pickle, not a CTranslate2 model: it is refused.")
