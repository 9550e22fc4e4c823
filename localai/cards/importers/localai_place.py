"""Where a LocalAI YAML comes from: what lies beside it, and what its texts name elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from localai.cards.importers.imported import CannotImport
from localai.cards.resolved import Backends, Locate, nowhere
from localai.files import place_of
from localai.references import is_reference

_LARGEST_TEMPLATE = 256 << 10
UNFETCHABLE = (
    "what lies elsewhere is written hf://org/repo/file, ollama://name:tag, oci://host/repo or "
    "https://host/file"
)


@dataclass(frozen=True)
class Place:
    """Where a LocalAI YAML comes from, and what runs models here."""

    file: Path
    """The YAML, for messages; its folder is where its models lie."""
    backends: Backends
    locate: Locate = nowhere
    """Knows what was fetched, and how references are spelled; by default all pass as written."""

    def refusal(self, message: str) -> CannotImport:
        """Return the error for this file."""
        return CannotImport(message, path=str(self.file))

    def local(self, name: str) -> Path | None:
        """Return the file or folder that a YAML calls `name`, None where it is not here."""
        if not name or is_reference(name):
            return None
        try:
            path = place_of(self.file.parent / name)
            return path if path.exists() else None
        except (OSError, RuntimeError, ValueError):  # a loop of links, or no name at all
            return None

    def fetched(self, reference: str) -> Path | None:
        """Return where a model from elsewhere lies, None where it is not here."""
        return self.locate(reference) if is_reference(reference) else None

    def check_inside(self, name: str, what: str) -> None:
        """Raise CannotImport for a path that leaves the folder of models."""
        outside = (
            ".." in PurePosixPath(name.replace("\\", "/")).parts
            or name.startswith(("/", "~", "\\"))
            or PureWindowsPath(name).drive != ""
        )
        if outside and not is_reference(name):
            raise self.refusal(f"its {what} '{name}' is outside the folder of models.")

    def reference(self, text: str) -> str | None:
        """Return the canonical form of a reference, None for one that nothing here can fetch."""
        if self.locate is nowhere:
            return text
        meaning = self.locate.meaning(text)
        return None if meaning is None else meaning.reference

    def template(self, name: str) -> str | None:
        """Return the text of the file NAME.tmpl beside the YAML, None where there is none."""
        if "\n" in name or not name.strip():
            return None
        self.check_inside(name, "template")
        path = self.local(f"{name.strip()}.tmpl")
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(_LARGEST_TEMPLATE + 1)
        if len(content) > _LARGEST_TEMPLATE:
            raise self.refusal(f"its template {path} is larger than 256 KiB.")
        return content.decode("utf-8-sig", "replace")
