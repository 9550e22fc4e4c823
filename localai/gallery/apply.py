"""What `POST /models/apply` takes, which is LocalAI's body, and the order that it comes to."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from localai.cards.schema import ModelName, Sha256
from localai.errors import InvalidRequest, ModelNotFound, UnsupportedParameter
from localai.gallery.asked_by_callers import caller_reference, refuse_code, refuse_paths
from localai.gallery.chosen_form import chosen_form
from localai.gallery.entry import Entry
from localai.gallery.localai_format import deep_merge, web_address
from localai.gallery.order import (
    CallersOrder,
    ConfigureOrder,
    InstallOrder,
    OrderedFile,
    PullOrder,
)
from localai.gallery.orders import Orders
from localai.protocol.wire import Wire
from localai.references import FileReference, NameReference, PackageReference, reference_or_none
from localai.store.shortnames import spelled_out

_CONFIGURATION = re.compile(r"github:.*|[^?#]*\.ya?ml(@[^/?#]*)?([?#].*)?", re.IGNORECASE)


def _none_if_empty(value: object) -> object:
    return None if value == "" else value  # what clients in Go send for "not said"


Text = Annotated[str | None, BeforeValidator(_none_if_empty)]
Name = Annotated[ModelName | None, BeforeValidator(_none_if_empty)]


class AppliedFile(Wire):
    """One more file of the model."""

    filename: str = Field(min_length=1, description="What the configuration calls it")
    uri: str = Field(min_length=1, description="Where it comes from, a reference or an address")
    sha256: Annotated[Sha256 | None, BeforeValidator(_none_if_empty)] = Field(
        default=None, description="What its checksum must be"
    )


class ApplyRequest(Wire):
    """What to install: a gallery's model by `id`, or by `url` anything that a reference names."""

    id: Text = Field(default=None, description="A gallery's model, as `gallery@name` or `name`")
    url: Text = Field(
        default=None,
        description="A reference to a model, as hf://org/repo; or the address of a configuration "
        "in LocalAI's form: github:org/repo/file.yaml@branch, or hf:// or https:// with .yaml",
    )
    config_url: Text = Field(default=None, description="The same as `url`")
    name: Name = Field(default=None, description="What the model will be called")
    variant: Name = Field(
        default=None, description="Which of the variants that the gallery's model lists"
    )
    config_file: dict[str, Any] | None = Field(
        default=None, description="A configuration in LocalAI's form, over that of `url` or `id`"
    )
    overrides: dict[str, Any] | None = Field(
        default=None, description="Keys of LocalAI's configuration that win over all others"
    )
    files: list[AppliedFile] | None = Field(default=None, description="More files of the model")
    description: str = Field(default="", description="What the model is, for people")
    stream: bool = Field(
        default=False, description="Answer with the job's events until it has ended"
    )
    force: bool = Field(
        default=False, description="Write the card anew where one of this name is there"
    )
    license: Any = Field(default=None, description="Without effect: what a gallery says")
    urls: Any = Field(default=None, description="Without effect: what a gallery says")
    icon: Any = Field(default=None, description="Without effect: what a gallery says")
    tags: Any = Field(default=None, description="Without effect: what a gallery says")
    gallery: Any = Field(default=None, description="Without effect: `id` names the gallery")
    installed: Any = Field(default=None, description="Without effect: what a gallery says")
    size: Any = Field(default=None, description="Without effect: what a gallery says")


def order_for(asked: ApplyRequest, orders: Orders) -> CallersOrder:
    """Return the order; raises a LocalAIError that names the field for what cannot be done.

    What only the network knows is left to the job.
    """
    if unknown := asked.unknown_fields():
        raise UnsupportedParameter(
            f"'{unknown[0]}' is not known here: an installation takes {', '.join(_KNOWN)}.",
            param=unknown[0],
        )
    _refuse_unsafe(asked, orders)
    order = replace(
        _order_for(asked, orders),
        files=tuple(
            OrderedFile(file.filename, file.uri, file.sha256) for file in asked.files or ()
        ),
        description=asked.description,
        force=asked.force,
        from_caller=True,
    )
    orders.check(order)
    return order


def _refuse_unsafe(asked: ApplyRequest, orders: Orders) -> None:
    for param in ("config_file", "overrides"):
        if config := getattr(asked, param):
            refuse_paths(config, param)
            refuse_code(config, orders.backends, param)
    for number, file in enumerate(asked.files or ()):
        caller_reference(file.uri, f"files[{number}].uri")


def _order_for(asked: ApplyRequest, orders: Orders) -> CallersOrder:
    url = asked.url or asked.config_url
    if asked.id is not None and url is not None:
        raise InvalidRequest("Give either 'id', a gallery's model, or 'url', a reference.")
    if asked.id is not None:
        return _of_gallery(asked, asked.id, orders)
    if asked.variant is not None:
        raise UnsupportedParameter(
            "Only a gallery's model has variants: give 'id'.", param="variant"
        )
    if url is not None and not _CONFIGURATION.fullmatch(url):
        return _of_reference(asked, url, orders)
    return _of_configuration(asked, url or "")


def _of_gallery(asked: ApplyRequest, text: str, orders: Orders) -> InstallOrder:
    entry = _find(orders, text, "id")
    # A caller who brings files of his own means this form, and no other.
    wanted = asked.variant or (entry.name if asked.files else None)
    variant = chosen_form(entry, orders.galleries, wanted, place=orders.place(), name=asked.name)
    # Over an entry a configuration of the caller's is one more layer of overrides.
    overrides = deep_merge(asked.config_file or {}, asked.overrides or {})
    return InstallOrder(text, asked.name or entry.name, variant, overrides=overrides)


def _of_reference(asked: ApplyRequest, url: str, orders: Orders) -> PullOrder:
    reference = caller_reference(url, "url")
    # Without a scheme it could also be a path of this machine.
    text = url if "://" in url else str(reference)
    overrides = deep_merge(asked.config_file or {}, asked.overrides or {})
    # With its name from the beginning, so that whoever deletes the model finds the job.
    name = asked.name or orders.suggested_name(text)
    return PullOrder(text, name, overrides=overrides)


def _of_configuration(asked: ApplyRequest, url: str) -> ConfigureOrder:
    if not url and asked.config_file is None:
        raise InvalidRequest(
            "Give 'id', a gallery's model, or 'url', a reference, or 'config_file', a "
            "configuration in LocalAI's form."
        )
    if url:
        caller_reference(url, "url")
        web_address(url)
    # Without a base nothing else tells the name, and the job is found by it.
    name = asked.name or (None if url else _name_in(asked))
    return ConfigureOrder(url, asked.config_file, name, overrides=asked.overrides or {})


def _name_in(asked: ApplyRequest) -> str | None:
    names = (config.get("name") for config in (asked.overrides or {}, asked.config_file or {}))
    return next((name for name in names if isinstance(name, str) and name), None)


def _find(orders: Orders, text: str, param: str) -> Entry:
    try:
        return orders.galleries.find(text)
    except ModelNotFound as error:
        raise ModelNotFound(f"{error.message}{_elsewhere(text, orders)}", param=param) from None


def _elsewhere(text: str, orders: Orders) -> str:
    """Return how to ask for what no gallery has; nothing for what a gallery has, as told before."""
    if "@" in text or any(text in index.unusable for index in orders.galleries.all()):
        return ""
    reference = reference_or_none(spelled_out(text))
    if isinstance(reference, NameReference):
        return (
            f" What no gallery has is given as 'url', not as 'id': Ollama's model of that name is "
            f"ollama://{text}, others are hf://org/repo, oci://host/repo:tag or https://…."
        )
    if reference is None or isinstance(reference, FileReference | PackageReference):
        return ""
    return f" '{text}' names a model elsewhere: give it as 'url', not as 'id'."


_KNOWN = tuple(
    name
    for name, field in ApplyRequest.model_fields.items()
    if not (field.description or "").startswith("Without effect")
)
