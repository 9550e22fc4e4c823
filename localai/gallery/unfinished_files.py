"""What is half here of models that nobody wants any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from localai.cards.model_files import remote_references
from localai.cards.resolved import ResolvedCard
from localai.file_locks import is_locked
from localai.references import HubReference, reference_or_none
from localai.store.model_folders import folder_of
from localai.store.partial import part_path, remove_partial

if TYPE_CHECKING:
    from localai.store.store import Store

_PART = part_path(Path("x")).name.removeprefix("x")


def remove_unfinished(card: ResolvedCard, others: Iterable[ResolvedCard], store: Store) -> int:
    """Remove what has come of the files that `card` needs; returns freed bytes.

    What another card may need, or a process is fetching, stays.
    """
    kept = {target for other in others for target in _unfinished(other, store)}
    freed = 0
    for target in set(_unfinished(card, store)) - kept:
        part = part_path(target)
        if not is_locked(part):
            freed += part.stat().st_blocks * 512
            remove_partial(target)
    return freed


def _unfinished(card: ResolvedCard, store: Store) -> Iterator[Path]:
    """Yield the files that a pull for `card` has begun, and may go on with."""
    for text in remote_references(card):
        reference = reference_or_none(text)
        folder = folder_of(reference)
        if folder is None:
            continue
        only = reference.file if isinstance(reference, HubReference) else None
        for part in (store.folder / folder).rglob(f"*{_PART}"):
            target = part.with_name(part.name.removesuffix(_PART))
            if only is None or target == store.folder / folder / only:
                yield target
