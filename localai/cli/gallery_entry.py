"""What the command line tells of a gallery's model: in a row, in JSON, and in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from localai.cli.tables import render_bytes, render_table
from localai.cli.terminal import on_one_line

if TYPE_CHECKING:
    from localai.gallery.entry import Entry
    from localai.gallery.fit import FreeMemory
    from localai.gallery.galleries import Galleries
    from localai.gallery.index import Index
    from localai.gallery.search import Found

_FITS = {True: "yes", False: "no", None: "nobody knows"}


def free_memory() -> FreeMemory:
    """Return what this machine has free."""
    # Imported here, because most commands ask for no memory.
    from localai.gallery import memory

    return memory.free_memory()


def shown_name(found: Found) -> str:
    """Return the name that installs it: `gallery@name` outside the built-in gallery."""
    from localai.gallery.galleries import BUILTIN

    name = found.model.name
    return name if found.gallery == BUILTIN else f"{found.gallery}@{name}"


def shown_size(found: Found) -> str:
    """Return how much is downloaded, with `~` where only the weights' number is known."""
    from localai.gallery.entry import Entry

    entry = found.model
    if not isinstance(entry, Entry):
        return "-"
    if entry.download_size is not None:
        return render_bytes(entry.download_size)
    return "-" if entry.footprint is None else f"~{render_bytes(entry.footprint.weight_bytes)}"


def describe(found: Found) -> dict[str, Any]:
    """Return all that a gallery says of a model, and whether it fits, in the words of the API."""
    from localai.gallery.entry import Entry

    known = found.model.model_dump(mode="json", exclude_defaults=True)
    known["license"] = known.pop("licence", None)
    if isinstance(found.model, Entry):
        known["size"] = found.model.download_size
    need = found.fit.need
    return {
        **known,
        "gallery": found.gallery,
        "installable": isinstance(found.model, Entry),
        "fits": found.fit.fits,
        "fit": found.fit.reason,
        "needs": None
        if need is None
        else {"on_cpu": need.on_cpu, "device": need.device, "host": need.host},
    }


def find_entry(galleries: Galleries, text: str, free: FreeMemory) -> Found:
    """Return the model that `name` or `gallery@name` names, also one that cannot be installed.

    Raises ModelNotFound with the nearest names.
    """
    from localai.gallery.fit import Fit, fit
    from localai.gallery.search import Found

    gallery, _, name = text.rpartition("@")
    indexes = [one for one in galleries.all() if gallery in {"", one.name}]
    for index in indexes:
        if name in index.entries:
            entry = index.entries[name]
            return Found(index.name, entry, fit(entry, free))
    for index in indexes:
        if name in index.unusable:
            unusable = index.unusable[name]
            return Found(index.name, unusable, Fit(False, unusable.reason))
    found = galleries.find(text)  # raises what there is to say
    return Found(gallery, found, fit(found, free))


def print_entry(found: Found, indexes: Sequence[Index], free: FreeMemory) -> None:
    """Print all that a gallery says of a model."""
    from localai.gallery.entry import Entry

    model = found.model
    click.echo(shown_name(found))
    if isinstance(model, Entry):
        _print_facts(_facts(found, model, indexes, free))
        rows = [
            (file.path, render_bytes(file.size), file.sha256 or "-", file.uri)
            for file in model.files
        ]
        click.echo(render_table(("FILE", "SIZE", "SHA256", "FROM"), rows))
        for note in model.notes:
            click.echo(f"note: {on_one_line(note)}")
        return
    facts = [("description", model.description), ("licence", model.licence or "-")]
    _print_facts([*facts, ("cannot be installed", model.reason)])


def _facts(
    found: Found, entry: Entry, indexes: Sequence[Index], free: FreeMemory
) -> Iterator[tuple[str, str]]:
    yield "description", entry.description
    yield "licence", entry.licence or "-"
    yield "backend", entry.backend
    yield "capabilities", ", ".join(entry.capabilities)
    yield "size", shown_size(found)
    yield "fits", f"{_FITS[found.fit.fits]}: {found.fit.reason}"
    yield "pages", ", ".join(entry.homepages)
    if entry.variants:
        from localai.gallery.variants import choose_variant

        choice = choose_variant(entry, free, indexes=indexes)
        yield "variants", ", ".join(entry.variants)
        yield "here", f"'{choice.variant}': {choice.reason}"


def _print_facts(facts: Sequence[tuple[str, str]] | Iterator[tuple[str, str]]) -> None:
    for key, value in facts:
        if value:
            click.echo(f"  {key}: {on_one_line(value)}")
