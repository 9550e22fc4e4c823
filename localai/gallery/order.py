"""What a job is told to do: what it is about, as callers and records name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from localai.cards.model_files import remote_references
from localai.cards.resolved import ResolvedCard
from localai.cards.schema import Sha256


@dataclass(frozen=True)
class OrderedFile:
    """One more file that a caller brings, in LocalAI's terms."""

    filename: str
    uri: str
    sha256: Sha256 | None = None

    def as_listed(self) -> dict[str, str]:
        """Return the file as cards and entries list it."""
        listed = {"path": self.filename, "uri": self.uri}
        return {**listed, "sha256": self.sha256} if self.sha256 else listed


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a caller asks for beside the model itself, in LocalAI's terms."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[OrderedFile, ...] = ()
    description: str = ""
    force: bool = False
    """Whether the card is written anew where one of the name is there."""
    from_caller: bool = False
    """Whether it came over HTTP: then it may not lead to where its caller has no way to."""


@dataclass(frozen=True)
class FetchOrder:
    """Fetch what a card needs; a corrected card, which wants something else, is another order."""

    card: str
    wants: Mapping[str, str | None] = field(default_factory=dict)
    """References, and the hashes that are known of them."""
    kind: Literal["fetch"] = field(default="fetch", kw_only=True)
    from_caller: ClassVar = False

    @property
    def model(self) -> str:
        """What the model is called."""
        return self.card


@dataclass(frozen=True)
class InstallOrder(_Asked):
    """Install a gallery's model, which `gallery@name` or `name` finds again."""

    entry: str
    name: str
    variant: str | None = None
    """What the gallery calls the form that is installed, None for the entry itself."""
    kind: Literal["install"] = field(default="install", kw_only=True)

    @property
    def model(self) -> str:
        """What the model is called."""
        return self.name


@dataclass(frozen=True)
class PullOrder(_Asked):
    """Pull a model by its reference and write a card for it."""

    reference: str
    name: str | None
    kind: Literal["pull"] = field(default="pull", kw_only=True)

    @property
    def model(self) -> str:
        """What the model is called, by its reference where it has no name yet."""
        return self.name or self.reference


@dataclass(frozen=True)
class ConfigureOrder(_Asked):
    """Install what a configuration of LocalAI's says; `url` is its base's, or all of its."""

    url: str
    config: Mapping[str, Any] | None
    name: str | None
    kind: Literal["configure"] = field(default="configure", kw_only=True)

    @property
    def model(self) -> str:
        """What the model is called, by its address where it has no name yet."""
        return self.name or self.url


@dataclass(frozen=True)
class DeleteOrder:
    """Delete a model; it is carried out before it is noted."""

    name: str
    kind: Literal["delete"] = field(default="delete", kw_only=True)
    from_caller: ClassVar = False

    @property
    def model(self) -> str:
        """What the model is called."""
        return self.name


CallersOrder = InstallOrder | PullOrder | ConfigureOrder
Order = FetchOrder | CallersOrder | DeleteOrder
_ORDERS: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="kind")])


def fetch_order(card: ResolvedCard) -> FetchOrder:
    """Return the order to fetch what `card` needs now."""
    return FetchOrder(card.name, remote_references(card))


def read_order(values: Mapping[str, Any]) -> Order:
    """Return the order of a record; raises ValueError for what is none."""
    return _ORDERS.validate_python(values)


def as_json(order: Order) -> dict[str, Any]:
    """Return an order as records and answers hold it, without what is left at its default."""
    said: dict[str, Any] = _ORDERS.dump_python(order, mode="json", exclude_defaults=True)
    return {"kind": order.kind, **said}
