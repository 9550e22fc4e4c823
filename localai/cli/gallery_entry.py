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

_NEEDS = ("on_cpu", "device", "host")
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


def describe_all(found: Found) -> dict[str, Any]:
    """Return what the API tells of a model, and all else that its gallery says, for JSON."""
    from localai.gallery.search import describe

    known = found.model.model_dump(mode="json", exclude_defaults=True)
    known.pop("licence", None)  # it is called `license` there
    need = found.fit.need
    needs = None if need is None else {name: getattr(need, name) for name in _NEEDS}
    return known | describe(found) | {"needs": needs}


def find_entry(galleries: Galleries, text: str, free: FreeMemory) -> Found:
    """Return the model that `name` or `gallery@name` names, also one that cannot be installed.

    Raises ModelNotFound with the nearest names.
    """
    from localai.gallery.search import found_of

    offer = galleries.offer(text)
    return found_of(offer.gallery, offer.model, free)


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
