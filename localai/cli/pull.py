"""`localai pull`: a model from anywhere to this machine, and a card that runs it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.cli.gguf import check_file
from localai.cli.settings_options import settings_of, settings_options
from localai.protocol.capabilities import Capability
from localai.settings import Settings, backend_folders, ensure_folders

if TYPE_CHECKING:
    from localai.cards.resolved import Backends
    from localai.cards.schema import Card
    from localai.store.records import StoredModel
    from localai.store.references import Reference
    from localai.store.store import Store

_TRY = {
    Capability.CHAT: "localai chat {name}",
    Capability.SPEECH: "localai say --model {name} 'Good morning.'",
    Capability.TRANSCRIPTION: "localai transcribe --model {name} FILE",
    Capability.IMAGE: "localai draw --model {name} 'a red circle'",
    Capability.EMBEDDING: "localai embed --model {name} 'Good morning.'",
}
_OTHERWISE = "localai models show {name}"


@click.command("pull")
@click.argument("ref")
@click.option("--name", help="What the model is called; default: after what REF names")
@click.option("--sha256", help="What the model file's checksum must be")
@click.option("--trust", is_flag=True, help="Take Python pickles too, which can run any program")
@click.option("--force", is_flag=True, help="Fetch it again, and replace a card that is there")
@settings_options("models", "store", "backends")
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
    an https:// address, a short name, or a path, which is used in place. What is cut off goes on
    with the same command.
    """
    settings = settings_of(config, flags)
    ensure_folders(settings)
    store = open_store(settings)
    reference = store.reference(ref)
    name = name or _suggested(reference)
    target = card_path(settings, name)
    check_name(name)
    # Before a download of gigabytes, not after it.
    _refuse_other_card(target, settings.store, reference, force)
    model = _pull(store, ref, trust=trust, sha256=sha256, force=force)
    for note in model.notes:
        click.echo(f"note: {note}", err=True)
    card = card_of(name, model, settings)
    wrote = write_card(target, card, force)
    store.note_card(model, name)
    click.echo(f"{'Wrote' if wrote else 'Kept'} {target}. Try: {what_to_try(card, settings)}")


def open_store(settings: Settings) -> Store:
    """Return the store of these settings."""
    from localai.store.store import Store

    return Store(settings.store)


def card_path(settings: Settings, name: str) -> Path:
    """Return where the card of the model `name` is written."""
    return settings.models / f"{re.sub('[/:]', '-', name)}.yaml"


def card_of(name: str, model: StoredModel, settings: Settings) -> Card:
    """Return the card that runs a model, decided from the model's own files."""
    from localai.gallery.pulled import card_of_pulled

    if model.model.suffix.lower() == ".gguf":
        check_file(model.model)
    card, _ = card_of_pulled(name, model, settings.store, _backends(settings))
    return card


def what_to_try(card: Card, settings: Settings) -> str:
    """Return a command that shows what the card's model can do."""
    able = card.capabilities or _backends(settings)[card.backend][1].usual_capabilities(
        card.options
    )
    example = next((text for able_to, text in _TRY.items() if able_to in able), _OTHERWISE)
    return example.format(name=card.name)


def _backends(settings: Settings) -> Backends:
    from localai.protocol.manifest import read_manifests

    return read_manifests(*backend_folders(settings))


def _pull(store: Store, ref: str, **wanted: Any) -> StoredModel:
    from localai.cli.download_bars import download_bars

    with download_bars() as show:
        return store.pull(ref, progress=show, **wanted)


def suggested_card_name(text: str) -> str:
    """Return what a model is called after its reference."""
    from localai.store.references import parse_reference

    return _suggested(parse_reference(text))


def _suggested(reference: Reference) -> str:
    from localai.store.naming import suggested_name

    return suggested_name(reference)


def check_name(name: str) -> None:
    """Refuse a name that a card cannot have."""
    from pydantic import ValidationError

    from localai.cards.schema import Card

    try:
        Card(name=name, backend="llama_cpp")
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.BadParameter(reason, param_hint="--name") from error


def _refuse_other_card(target: Path, store: Path, reference: Reference, force: bool) -> None:
    """Refuse to touch a card that is of another model, as far as that can be told yet."""
    from localai.store.references import FileReference

    if force or not target.exists():
        return
    there = _model_of(target)
    if isinstance(reference, FileReference):
        ours = there == reference.path.expanduser().resolve()
    else:
        ours = there is not None and store in there.parents
    if not ours:
        raise _other_card(target)


def write_card(target: Path, card: Card, force: bool) -> bool:
    """Write the card; one that is there and runs the same file keeps what a person wrote in it.

    Returns whether it was written.
    """
    import yaml

    if target.exists() and not force:
        if card.model is not None and _model_of(target) == Path(card.model):
            return False
        raise _other_card(target)
    content = card.model_dump(mode="json", exclude_unset=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, "utf-8")
    os.replace(part, target)
    return True


def _model_of(card: Path) -> Path | None:
    import yaml

    there = yaml.safe_load(card.read_text("utf-8"))
    model = there.get("model") if isinstance(there, dict) else None
    return card.parent / model if isinstance(model, str) else None


def _other_card(target: Path) -> click.ClickException:
    return click.ClickException(
        f"{target} is already there and differs: choose another --name, or replace it with --force."
    )
