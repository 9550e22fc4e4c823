"""`POST /v1/images/generations`, `/edits` and `/variations`."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from localai.api.gateway import Gateway, gateway_of
from localai.api.media import fetch_media
from localai.api.openai.calls import Answerer, find_answerer, relay
from localai.api.own_address import own_address
from localai.api.plain_route import PlainRoute
from localai.api.relay import Rewrite
from localai.api.schemas import form_body, request_body
from localai.api.spool import CallFiles
from localai.api.uploads import Form, UploadedFile, read_form
from localai.errors import InvalidRequest, UnsupportedParameter
from localai.protocol.asgi import JSON, parse_form, parse_request, read_json_object
from localai.protocol.capabilities import Capability
from localai.protocol.images import (
    Drawing,
    ImageEditRequest,
    ImageRequest,
    ImageVariationRequest,
    PictureReference,
    ReferringImageEdit,
)

router = APIRouter(tags=["images"], route_class=PlainRoute)
_ALWAYS_BASE64 = ("gpt-image-", "chatgpt-image-")
"""Names that OpenAI itself never answers with addresses."""
_EDIT_BODIES = {
    "requestBody": {
        "required": True,
        "content": form_body(ImageEditRequest, ("image", "mask"))["requestBody"]["content"]
        | request_body(ReferringImageEdit)["requestBody"]["content"],
    }
}


@router.post(
    "/images/generations", response_class=Response, openapi_extra=request_body(ImageRequest)
)
async def create_image(request: Request) -> Response:
    """Draw what the prompt says."""
    gateway = gateway_of(request)
    body = await read_json_object(request, gateway.body_limits)
    asked = parse_request(ImageRequest, body)
    answerer = find_answerer(gateway, asked.model, Capability.IMAGE)
    rewrite = _rewrite(request, asked, answerer, stream=bool(asked.stream))
    return relay(gateway, answerer, Capability.IMAGE, ImageRequest, body, rewrite=rewrite)


@router.post("/images/edits", response_class=Response, openapi_extra=_EDIT_BODIES)
async def edit_image(request: Request) -> Response:
    """Change pictures as the prompt says, where a mask allows it."""
    gateway = gateway_of(request)
    with gateway.spool.call_files() as files:
        is_json = request.headers.get("content-type", "").partition(";")[0].strip() == JSON
        read = _read_json_edit if is_json else _read_form_edit
        asked, answerer = await read(request, gateway, files)
        rewrite = _rewrite(request, asked, answerer, stream=bool(asked.stream))
        body = asked.model_dump(mode="json", exclude_unset=True)
        return relay(
            gateway, answerer, Capability.IMAGE_EDIT, ImageEditRequest, body,
            files=files, rewrite=rewrite,
        )  # fmt: skip


@router.post(
    "/images/variations",
    response_class=Response,
    openapi_extra=form_body(ImageVariationRequest, ("image",)),
)
async def vary_image(request: Request) -> Response:
    """Draw pictures that are like another one."""
    gateway = gateway_of(request)
    with gateway.spool.call_files() as files:
        form = await read_form(request, files, gateway.most_upload_bytes)
        _refuse_other_pictures(form, "image")
        image = _filled(form.take_file("image"), "image")
        asked = parse_form(ImageVariationRequest, form.fields | {"image": image})
        answerer = find_answerer(gateway, asked.model, Capability.IMAGE_VARIATION)
        body = asked.model_dump(mode="json", exclude_unset=True)
        return relay(
            gateway, answerer, Capability.IMAGE_VARIATION, ImageVariationRequest, body,
            files=files, rewrite=_rewrite(request, asked, answerer, stream=False),
        )  # fmt: skip


async def _read_form_edit(
    request: Request, gateway: Gateway, files: CallFiles
) -> tuple[ImageEditRequest, Answerer]:
    form = await read_form(request, files, gateway.most_upload_bytes)
    _refuse_other_pictures(form, "image", "mask")
    images = form.files.get("image") or [form.take_file("image")]
    fields = form.fields | {"images": [_filled(image, "image") for image in images]}
    if "mask" in form.files:
        fields["mask"] = _filled(form.take_file("mask"), "mask")
    asked = parse_form(ImageEditRequest, fields)
    return asked, find_answerer(gateway, asked.model, Capability.IMAGE_EDIT)


def _refuse_other_pictures(form: Form, *names: str) -> None:
    """Raise InvalidRequest for a picture that would not be looked at."""
    form.refuse_other_files(*names)
    # As text it would also be a path, and those are ours alone to set.
    if "images" in form.fields:
        raise InvalidRequest(
            "'images' was sent as text: send each picture as a file called 'image', or use JSON.",
            param="images",
        )


def _filled(upload: UploadedFile, param: str) -> str:
    if upload.size == 0:
        raise InvalidRequest(f"The file '{param}' is empty: send a picture.", param=param)
    return str(upload.path)


async def _read_json_edit(
    request: Request, gateway: Gateway, files: CallFiles
) -> tuple[ImageEditRequest, Answerer]:
    asked = parse_request(ReferringImageEdit, await read_json_object(request, gateway.body_limits))
    # Before anything is fetched: a call that nobody can answer must not cause traffic.
    answerer = find_answerer(gateway, asked.model, Capability.IMAGE_EDIT)
    # The worker names what nobody knows, but of a picture it sees the path alone.
    unknown = dict.fromkeys(asked.unknown_fields(), True)
    fields = unknown | asked.model_dump(mode="json", exclude_unset=True)
    fields["images"] = [
        await _fetch(gateway, picture, files, f"images[{number}]")
        for number, picture in enumerate(asked.images)
    ]
    if asked.mask is not None:
        fields["mask"] = await _fetch(gateway, asked.mask, files, "mask")
    return parse_request(ImageEditRequest, fields), answerer


async def _fetch(gateway: Gateway, picture: PictureReference, files: CallFiles, param: str) -> str:
    if picture.image_url is None:
        raise UnsupportedParameter(
            "There are no stored files here: send the picture as a data URI or an address in "
            "'image_url', or as a part of multipart/form-data.",
            param=f"{param}.file_id",
        )
    media = await fetch_media(
        gateway.settings, picture.image_url, param=f"{param}.image_url", kind="image"
    )
    return str(await asyncio.to_thread(files.write, media.content))


def _rewrite(
    request: Request, asked: Drawing, answerer: Answerer, *, stream: bool
) -> Rewrite | None:
    """Return what puts addresses in the place of pictures, None where base64 is wanted."""
    if stream or _wanted_format(asked, answerer) == "b64_json":
        return None
    gateway = gateway_of(request)
    base = own_address(request, gateway.settings)

    async def with_addresses(body: bytes) -> bytes:
        answer = orjson.loads(body)
        media_type = f"image/{answer['output_format']}"
        answer["data"] = [
            await _kept(gateway, base, picture, media_type) for picture in answer["data"]
        ]
        return orjson.dumps(answer)

    return with_addresses


async def _kept(
    gateway: Gateway, base: str, picture: dict[str, Any], media_type: str
) -> dict[str, Any]:
    content = base64.b64decode(picture.pop("b64_json"))
    return {"url": base + await gateway.generated.add(content, media_type)} | picture


def _wanted_format(asked: Drawing, answerer: Answerer) -> str:
    """Return the caller's choice, then the card's, then what the model's name makes one expect."""
    habit = "b64_json" if (asked.model or "").startswith(_ALWAYS_BASE64) else "url"
    chosen = asked.response_format or answerer.card.card.defaults.get("response_format")
    return str(chosen or habit)
