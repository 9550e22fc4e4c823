"""Where a card's model file is on this machine, and what of it has to be fetched.

What a text of the card leads to is here, or in the store, or beside the card where `files` puts it,
or in what came of an archive that `files` lists.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from localai.cards.leads import Lead, Leads
from localai.cards.packages import not_installed, package_folder
from localai.cards.pickles import pickled_weights
from localai.cards.resolved import ResolvedCard
from localai.errors import InvalidReference, LoadFailed
from localai.file_kinds import is_model_file
from localai.files import place_of
from localai.references import PackageReference, local_path, parse_reference, scheme_of


def resolve_model_path(resolved: ResolvedCard) -> Path | None:
    """Return the path of the card's model, None for a backend that needs none.

    Raises LoadFailed when the model is elsewhere and not fetched yet, or when it or one of the
    card's other files is not there.
    """
    leads = Leads(resolved)
    _check_other_files(leads, resolved)
    if leads.model is None:
        return None
    path = _place_of(leads, leads.model, resolved)
    if not path.exists():
        text = f"put it there, or correct 'model'{_other_meanings(leads.model)}"
        raise _missing(path, "model", text, resolved)
    return path


def model_place(resolved: ResolvedCard) -> Path | None:
    """Return where the card's model is, or would be; None for one that is not fetched yet.

    Whether the card's other files are there makes no difference.
    """
    leads = Leads(resolved)
    if leads.model is None:
        return None
    try:
        return _place_of(leads, leads.model, resolved)
    except LoadFailed:
        return None


def safe_model_path(resolved: ResolvedCard) -> Path | None:
    """Return what `resolve_model_path` does, for loading it.

    Raises LoadFailed also for a file that was fetched and is not whole any more, and for Python
    pickles, unless the card says `trust: true`.
    """
    path = resolve_model_path(resolved)
    if path is not None and (reference := resolved.locate.damaged(path)) is not None:
        raise _failure(
            resolved,
            f"its file {path} is not as it was fetched, or a file beside it: `localai pull "
            f"{shlex.quote(reference)}` mends it; it is named",
        )
    harmless = resolved.card.trust or not resolved.manifest.reads_pickles
    if path is None or harmless or not (pickles := pickled_weights(path)):
        return path
    raise _failure(
        resolved,
        f"{', '.join(pickles[:3])} of {path} is a Python pickle, which can run any program when it "
        "is read: take the model in .safetensors or .gguf, or write `trust: true` if you trust it,",
    )


def resolve_option_paths(resolved: ResolvedCard) -> dict[str, Any]:
    """Return the card's options with absolute paths; raises LoadFailed for a file not there."""
    leads = Leads(resolved).options
    return resolved.options | {
        name: str(_option_path(name, lead, resolved)) for name, lead in leads.items()
    }


def remote_references(resolved: ResolvedCard) -> dict[str, str | None]:
    """Return what the card needs from elsewhere, each with its sha256 where that is known."""
    return {reference: lead.sha256 for reference, lead in Leads(resolved).elsewhere().items()}


def missing_references(resolved: ResolvedCard) -> dict[str, str | None]:
    """Return those of the card's remote references that are not on this machine."""
    return {
        reference: lead.sha256
        for reference, lead in Leads(resolved).elsewhere().items()
        if _fetched(lead, resolved) is None
    }


def has_its_files(resolved: ResolvedCard) -> bool:
    """Tell whether everything that the card needs is on this machine.

    Every call asks: the store is not searched for what would mend a file that is missing.
    """
    leads = Leads(resolved)
    try:
        _check_other_files(leads, resolved)
        paths = [_path_of(lead, resolved) for lead in leads.options.values()]
        if leads.model is not None:
            paths.append(_place_of(leads, leads.model, resolved))
    except LoadFailed:
        return False
    return all(path.exists() for path in paths)


def _check_other_files(leads: Leads, resolved: ResolvedCard) -> None:
    for file, lead in zip(resolved.card.files, leads.files, strict=True):
        path = resolved.path.parent / file.path
        if not path.exists() and _fetched(lead, resolved) is None:
            raise _failure(
                resolved, f"its file {path} does not exist: download it from {file.uri}, listed"
            )


def _option_path(name: str, lead: Lead, resolved: ResolvedCard) -> Path:
    path = _path_of(lead, resolved)
    if not path.exists():
        key = f"options.{name}"
        raise _missing(path, key, f"put it there, or correct '{key}'", resolved)
    return path


def _place_of(leads: Leads, model: Lead, resolved: ResolvedCard) -> Path:
    """Return where the model is: what `_path_of` says, or what came of an archive."""
    path = _path_of(model, resolved)
    return path if path.exists() else _unpacked(leads, resolved) or path


def _path_of(lead: Lead, resolved: ResolvedCard) -> Path:
    """Return the absolute path of what lies here, or was fetched; it need not be there."""
    if lead.is_elsewhere:
        fetched = _fetched(lead, resolved)
        if fetched is None:
            raise _not_fetched(lead, resolved)
        return fetched
    path = local_path(lead.reference) or _packaged(lead.reference, resolved)
    return _followed(resolved.path.parent / path)


def _fetched(lead: Lead, resolved: ResolvedCard) -> Path | None:
    """Return where what lies elsewhere is here: in the store, or beside the card under `files`."""
    beside = (_followed(resolved.path.parent / file.path) for file in lead.files)
    stored = resolved.locate(lead.reference, lead.content_hash)
    return stored or next((path for path in beside if path.exists()), None)


def _followed(path: Path) -> Path:
    """Return an absolute path, as a worker starts in a folder of its own.

    A link to a file of another name stays one: in the caches of other programs files are called by
    their hashes, and the engines go by names, as for the parts of a model in several files.
    """
    target = path.resolve()
    return target if target.name == path.name else place_of(path)


def _unpacked(leads: Leads, resolved: ResolvedCard) -> Path | None:
    """Return where the model lies in what came of a listed file, as of an archive."""
    wanted = Path(leads.model.text if leads.model else "")
    if scheme_of(str(wanted)) or wanted.is_absolute() or ".." in wanted.parts:
        return None
    places = (resolved.locate(lead.reference) for lead in leads.files)
    for place in places:
        if place is not None and place.name == wanted.name:
            return place
        if place is not None and (place / wanted).exists():
            return place / wanted
    return None


def _packaged(reference: str, resolved: ResolvedCard) -> Path:
    """Return where a file lies that an installed Python package carries."""
    try:
        found = parse_reference(reference)
    except InvalidReference:
        found = None
    if not isinstance(found, PackageReference):
        raise _failure(resolved, f"'{reference}' names no module of a Python package; it is named")
    folder = package_folder(found.module)
    if folder is None:
        raise _failure(
            resolved,
            f"the Python package '{found.module}' that carries it {not_installed(found.module)}; "
            "it is named",
        )
    return folder / found.path


def _not_fetched(lead: Lead, resolved: ResolvedCard) -> LoadFailed:
    what = "" if scheme_of(lead.text) else f"there is no file '{lead.text}', and "
    return _failure(
        resolved,
        f"{what}'{lead.reference}' is not on this machine yet: GET /models/jobs tells whether it "
        f"is being fetched, `localai pull {lead.reference}` fetches it; it is named",
    )


def _other_meanings(lead: Lead) -> str:
    """Return what a text could be that is neither a path of a file that is there nor a name."""
    text = lead.text
    if lead.reference != text or scheme_of(text) or text.startswith(("/", ".", "~")):
        return ""
    is_file = "/" in text or is_model_file(text)
    ollama = "ollama://name[:tag]" if is_file else f"ollama://{text}"
    return (
        f"; '{text}' is no short name and no model of a gallery either, and what lies elsewhere is "
        f"written hf://org/repo, {ollama}, oci://host/repo or https://host/file"
    )


def _missing(path: Path, key: str, otherwise: str, resolved: ResolvedCard) -> LoadFailed:
    """Return the error for a file that is not there, and what brings it if it was fetched once."""
    reference = resolved.locate.damaged(path)
    if reference is None:
        return _failure(resolved, f"its file {path} does not exist: {otherwise}")
    return _failure(
        resolved,
        f"its file {path} is not there any more: `localai pull {shlex.quote(reference)}` brings it "
        f"back, or correct '{key}'",
    )


def _failure(resolved: ResolvedCard, reason: str) -> LoadFailed:
    return LoadFailed(
        f"The model '{resolved.name}' cannot be loaded: {reason} in {resolved.path}.",
        param="model",
        details={"phase": "files"},
    )
