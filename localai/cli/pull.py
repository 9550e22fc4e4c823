"""`localai pull`: a model's file to a card that runs it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from localai.cli.downloads import check_digest, download, file_name
from localai.cli.gguf import check_file
from localai.cli.settings_options import settings_of, settings_options
from localai.settings import ensure_folders

if TYPE_CHECKING:
    from localai.cards.schema import Card

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://)?")
_EXAMPLE = "`localai pull ./model.gguf` or `localai pull https://example.org/model.gguf`"


@click.command("pull")
@click.argument("ref")
@click.option("--name", help="What the model is called; default: the file's name")
@click.option("--sha256", help="What the file's checksum must be")
@click.option("--force", is_flag=True, help="Replace a card that is already there")
@settings_options("models")
def pull_command(
    ref: str,
    name: str | None,
    sha256: str | None,
    force: bool,
    config: Path | None,
    **flags: Any,
) -> None:
    """Write a card for the GGUF model REF: a path, used in place, or a URL, downloaded."""
    settings = settings_of(config, flags)
    ensure_folders(settings)
    url = _is_url(ref)
    path = None if url else _local_path(ref)
    name = name or _model_name(Path(file_name(ref)) if path is None else path)
    target = settings.models / f"{re.sub('[/:]', '-', name)}.yaml"
    model = settings.models / file_name(ref) if path is None else path
    # A download moves together with its card, a file of the person's own stays where it is.
    card = _card(name, model.name if path is None else str(path))
    # Before a download of gigabytes, not after it.
    _refuse_other_card(target, card, force)
    if path is None:
        if model.exists() and not force:
            raise click.ClickException(f"{model} is already there: fetch it again with --force.")
        download(ref, model, sha256)
    else:
        check_file(path)
        if sha256 is not None:
            check_digest(ref, _sha256(path), sha256)
    _write_card(target, card)
    click.echo(f"Wrote {target}. Try: localai chat {name}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_url(ref: str) -> bool:
    scheme = _SCHEME.match(ref)
    if scheme is not None and scheme[1].lower() not in ("file", "http", "https"):
        raise click.ClickException(
            f"This version takes the path or the URL of a .gguf file, not '{ref}': for example "
            f"{_EXAMPLE}."
        )
    return scheme is not None and scheme[1].lower() != "file"


def _local_path(ref: str) -> Path:
    is_uri = ref.lower().startswith("file:")
    path = Path(unquote(urlsplit(ref).path) if is_uri else ref).expanduser()
    if path.suffix.lower() != ".gguf" and not path.exists():
        raise click.ClickException(
            f"There is no file '{ref}', and this version takes the path or the URL of a .gguf "
            f"file: for example {_EXAMPLE}."
        )
    return path.resolve()


def _model_name(path: Path) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._") or "model"


def _card(name: str, model: str) -> Card:
    from pydantic import ValidationError

    from localai.cards.schema import Card

    try:
        return Card(name=name, backend="llama_cpp", model=model)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.BadParameter(reason, param_hint="--name") from error


def _refuse_other_card(target: Path, card: Card, force: bool) -> None:
    import yaml

    if force or not target.exists():
        return
    there = yaml.safe_load(target.read_text("utf-8"))
    if there != _content(card):
        raise click.ClickException(
            f"{target} is already there and differs: choose another --name, or replace it with "
            "--force."
        )


def _write_card(target: Path, card: Card) -> None:
    import yaml

    text = yaml.safe_dump(_content(card), sort_keys=False, allow_unicode=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, "utf-8")
    os.replace(part, target)


def _content(card: Card) -> dict[str, Any]:
    return card.model_dump(mode="json", exclude_unset=True)
