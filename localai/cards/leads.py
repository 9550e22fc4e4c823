"""Where the texts of a card lead: to a path, or to what is fetched from elsewhere.

A text with a scheme, and a path that is there, mean themselves. Another path means the `uri` that
`files` lists for it. What then has no scheme is for a model what it is for `localai pull`, as a
short name or a gallery's model; and else a path that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localai.cards.resolved import Meaning, ResolvedCard
from localai.cards.schema import CardFile
from localai.file_kinds import is_archive
from localai.references import is_remote, reference_or_none, scheme_of


@dataclass(frozen=True)
class Lead:
    """What one text of a card stands for."""

    text: str
    """As the card has it."""
    reference: str
    """The path, or the reference with its scheme."""
    files: tuple[CardFile, ...] = ()
    """What the card lists as coming from there."""
    named_hash: str | None = None
    """The sha256 that a gallery tells, where the text is its name of a model."""

    @property
    def is_elsewhere(self) -> bool:
        """Tell whether it is fetched from somewhere else."""
        return is_remote(self.reference)

    @property
    def sha256(self) -> str | None:
        """Return the hash of what is fetched, if it is known."""
        return next((file.sha256 for file in self.files if file.sha256), self.named_hash)

    @property
    def content_hash(self) -> str | None:
        """Return the hash that the card tells of the file itself, if it does."""
        # An archive's hash says nothing about the model that was unpacked of it.
        whole = (file for file in self.files if not is_archive(file.path))
        return next((file.sha256 for file in whole if file.sha256), None)


class Leads:
    """Where the model, the options and the files of one card lead; nothing is looked up elsewhere.

    `options` has those alone that name a file.
    """

    def __init__(self, card: ResolvedCard) -> None:
        self._folder, self._locate, self._listed = card.path.parent, card.locate, card.card.files
        self._references = [self._meaning(file.uri).reference for file in self._listed]
        self.files = [
            self._lead(file.uri, Meaning(reference))
            for file, reference in zip(self._listed, self._references, strict=True)
        ]
        model = card.card.model
        self.model = None if model is None else self._lead(model, self._meaning(model))
        self.options = {
            name: self._lead(text, Meaning(self._uri(text)))
            for name, spec in card.manifest.options.items()
            if spec.is_path and isinstance(text := card.options.get(name), str)
        }

    def elsewhere(self) -> dict[str, Lead]:
        """Return what leads away from this machine by its reference, the model first."""
        model = [] if self.model is None else [self.model]
        found: dict[str, Lead] = {}
        for lead in (*model, *self.options.values(), *self.files):
            if lead.is_elsewhere:
                found.setdefault(_canonical(lead.reference), lead)
        return {lead.reference: lead for lead in found.values()}

    def _lead(self, text: str, meaning: Meaning) -> Lead:
        pairs = zip(self._listed, self._references, strict=True)
        wanted = _canonical(meaning.reference)
        files = tuple(file for file, reference in pairs if _canonical(reference) == wanted)
        return Lead(text, meaning.reference, files, meaning.sha256)

    def _meaning(self, text: str) -> Meaning:
        uri = self._uri(text)
        if self._stands_for_itself(uri):
            return Meaning(uri)
        return self._locate.meaning(uri) or Meaning(uri)

    def _uri(self, text: str) -> str:
        """Return where the file comes from that is listed at the path `text`, else the text."""
        if self._stands_for_itself(text):
            return text
        return next((one.uri for one in self._listed if Path(one.path) == Path(text)), text)

    def _stands_for_itself(self, text: str) -> bool:
        return scheme_of(text) != "" or (self._folder / Path(text).expanduser()).exists()


def _canonical(reference: str) -> str:
    """Return the one spelling of what is elsewhere, to compare: an address loses its login."""
    parsed = reference_or_none(reference) if is_remote(reference) else None
    return reference if parsed is None else str(parsed)
