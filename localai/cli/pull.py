"""`localai pull`: a model from anywhere to this machine, and a card that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.card_files import fetch_card, hint_at_profiles, keep_card
from localai.cli.new_cards import (
    check_name,
    import_of,
    name_after,
    refuse_description,
    say_notes,
    try_card,
)
from localai.cli.opening import open_store
from localai.cli.remedies import own_remedies
from localai.cli.settings_options import settings_of, settings_options
from localai.cli.unusable_folders import naming_the_folder
from localai.settings import Settings, ensure_folders

if TYPE_CHECKING:
    from localai.cli.stored_models import KnownCard
    from localai.references import Reference
    from localai.store.records import StoredModel
    from localai.store.store import Store


def _checked_hash(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch("[0-9a-fA-F]{64}", value):
        raise click.BadParameter(f"'{value}' is no checksum: it has 64 hex digits.")
    return value and value.lower()


@click.command("pull")
@click.argument("ref")
@click.option("--name", help="What the model is called; default: after what REF names")
@click.option("--sha256", callback=_checked_hash, help="What the model file's checksum must be")
@click.option("--trust", is_flag=True, help="Take Python pickles too, which can run any program")
@click.option("--force", is_flag=True, help="Fetch it again, and replace a card that is there")
@settings_options("models", "store", "backends", "profile")
@own_remedies
def pull_command(
    ref: str,
    name: str | None,
    sha256: str | None,
    trust: bool,
    force: bool,
    config: Path | None,
    **flags: Any,
) -> None:
    """Bring the model REF here and write a card for it.

    REF is hf://org/repo[/file][:quant] or org/repo, ollama://name[:tag], oci://host/repo[:tag],
    an https:// address, a name of a gallery as `localai search` shows it, a short name, or a path,
    which is used in place. The name of a card whose model lies elsewhere, as those of a profile,
    fetches what that card needs. What is cut off goes on with the same command.
    """
    from localai.references import NameReference

    settings = settings_of(config, flags)
    ensure_folders(settings)
    if name is not None:
        check_name(name)
    reference = open_store(settings).reference(ref)
    with naming_the_folder(settings):
        if not isinstance(reference, NameReference):
            _pull_reference(settings, ref, reference, name, sha256=sha256, trust=trust, force=force)
        elif name or sha256 or not fetch_card(settings, reference.name, trust=trust, again=force):
            _pull_named(settings, reference.name, name, sha256, trust=trust, force=force)


def _pull_named(
    settings: Settings,
    text: str,
    name: str | None,
    sha256: str | None,
    *,
    trust: bool,
    force: bool,
) -> None:
    """Install a gallery's model; of what only a card here is called so, say what it is."""
    from localai.cli.install import install_named
    from localai.errors import ModelNotFound

    if sha256 is not None:
        raise click.UsageError("--sha256 is for a reference: a gallery has its own checksums.")
    try:
        with hint_at_profiles(text):
            install_named(settings, text, called=name, replace=force, again=force, trust=trust)
    except ModelNotFound:
        if name or not keep_card(settings, text):
            raise


def _pull_reference(
    settings: Settings,
    ref: str,
    reference: Reference,
    name: str | None,
    *,
    sha256: str | None,
    trust: bool,
    force: bool,
) -> None:
    from localai.cards.writing import card_file, check_can_be_written, write_card
    from localai.cli.originals import originals_among, set_aside
    from localai.cli.other_cards import refuse_other_cards
    from localai.cli.stored_models import own_cards
    from localai.gallery.taken_names import CardPlace

    refuse_description(reference, settings)
    store = open_store(settings)
    before = store.find(str(reference))
    own = _own_card(settings, store, reference, name)
    name = name or (own.name if own is not None else name_after(reference))
    target = own.path if own is not None else card_file(settings.models, name)
    if own is None and not force:
        place = CardPlace(settings.models, own_cards(settings), store)
        refuse_other_cards(place, name, str(reference))
    if force or not target.exists():
        check_can_be_written(target)
    originals = originals_among([target] if force else [], settings)
    model = _pull(store, ref, sha256=sha256, trust=trust, force=force)
    found = import_of(name, model, settings)
    say_notes(found)
    wrote = False
    if own is None or force:
        with set_aside(originals):
            wrote = write_card(target, found.card, "replace" if force else "keep")
    # A card that was kept may have a name of its own.
    card = found.card if wrote else _kept_card(target, found.card)
    store.note_card(model, target)
    done = f"Wrote {target}" if wrote else f"Kept {target}"
    if before is not None and before.files == model.files and not force:
        done += f"; {reference} is here already"
    click.echo(f"{done}. Try: {try_card(card, settings)}")


def _kept_card(target: Path, made: Mapping[str, Any]) -> Mapping[str, Any]:
    from localai.cards.writing import read_content

    there = read_content(target) or {}
    return there if {"name", "backend"} <= there.keys() else made


def _pull(store: Store, ref: str, *, sha256: str | None, trust: bool, force: bool) -> StoredModel:
    from localai.cli.download_bars import download_bars
    from localai.gallery.pulled import refuse_not_run

    with download_bars() as show:
        return store.pull(
            ref, sha256=sha256, trust=trust, force=force, check=refuse_not_run, progress=show
        )


def _own_card(
    settings: Settings,
    store: Store,
    reference: Reference,
    name: str | None,
) -> KnownCard | None:
    """Return the card that runs the model already: as `name`, or where nobody says, as anything.

    A model whose files are damaged is still the one that its card runs.
    """
    from localai.cards.writing import card_file
    from localai.cli.stored_models import own_cards
    from localai.store.finding import find_record

    stored = find_record(store.records, str(reference))
    path = stored.model if stored is not None else _path_in_place(reference)
    cards = [
        card
        for card in own_cards(settings)
        if (path is not None and card.model == path) or _names(card, store, reference)
    ]
    usual = card_file(settings.models, name or name_after(reference))
    asked = [card for card in cards if name is None or card.path == usual]
    return min(asked, key=lambda card: card.path != usual, default=None)


def _names(card: KnownCard, store: Store, reference: Reference) -> bool:
    """Tell whether a card names the model by its reference, which is fetched at its first call."""
    from localai.errors import InvalidReference

    written = card.content.get("model")
    if card.model is not None or not isinstance(written, str):
        return False
    try:
        return store.reference(written) == reference
    except InvalidReference:
        return False


def _path_in_place(reference: Reference) -> Path | None:
    from localai.files import place_of
    from localai.references import FileReference

    if isinstance(reference, FileReference):
        return place_of(reference.path.expanduser())
    return None
