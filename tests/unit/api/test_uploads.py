"""Forms as clients of all kinds send them, fed in pieces of any size."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from localai.api.spool import CallFiles, Spool
from localai.api.uploads import Form, read_form
from localai.errors import BodyTooLarge, CapacityError, InvalidRequest

BOUNDARY = "edge"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
AUDIO = bytes(range(256)) * 40 + b"\r\n--edg\r\n" + b"\n--edge"
"""Every byte there is, and what nearly looks like the border between two parts."""


def part(head: str, content: bytes | str, *more: str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    lines = [f"--{BOUNDARY}", f"Content-Disposition: form-data; {head}", *more, "", ""]
    return "\r\n".join(lines).encode() + raw + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'name="{name}"', value)


def file(name: str = "file", content: bytes = AUDIO, filename: str = "a.wav") -> bytes:
    return part(f'name="{name}"; filename="{filename}"', content)


def form_of(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def request(
    body: bytes,
    content_type: str = MULTIPART,
    *,
    piece: int = 1000,
    length: int | None = None,
    leaves: bool = False,
) -> Request:
    """Return a request whose body arrives in pieces, and may end with the client leaving."""
    pieces = [body[i : i + piece] for i in range(0, len(body), piece)] or [b""]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": one, "more_body": leaves or i < len(pieces) - 1}
        for i, one in enumerate(pieces)
    ]
    if leaves:
        messages.append({"type": "http.disconnect"})
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name.isdigit()]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path)
    yield spool
    spool.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def files(spool: Spool) -> Iterator[CallFiles]:
    with spool.call_files() as files:
        yield files
        files.close()


async def read(body: bytes, files: CallFiles, **how: Any) -> Form:
    return await read_form(request(body, **how), files, 2**20)


@pytest.mark.parametrize("piece", [1, 7, 1000, 2**16])
async def test_file_arrives_byte_by_byte_as_it_was_sent(files: CallFiles, piece: int) -> None:
    form = await read(form_of(field("model", "m"), file()), files, piece=piece)
    upload = form.take_file("file")
    assert upload.path.read_bytes() == AUDIO
    assert upload.size == len(AUDIO)
    assert form.fields == {"model": "m"}


async def test_file_may_come_before_between_and_after_the_fields(files: CallFiles) -> None:
    parts = [file(), field("model", "m"), field("language", "en")]
    for order in (parts, parts[1:] + parts[:1], [parts[1], parts[0], parts[2]]):
        form = await read(form_of(*order), files)
        assert form.take_file("file").path.read_bytes() == AUDIO
        assert form.fields == {"model": "m", "language": "en"}


@pytest.mark.parametrize(
    "head",
    [
        'name="file"',
        'name=file; filename=""',
        'name="file"; filename="../../etc/passwd"',
        "name=\"file\"; filename*=utf-8''%e9%9f%b3.wav",
        'name="file[]"; filename="a"',
    ],
)
async def test_file_is_one_whatever_its_name(files: CallFiles, head: str, tmp_path: Path) -> None:
    form = await read(form_of(part(head, AUDIO)), files)
    path = form.take_file("file").path
    assert path.read_bytes() == AUDIO
    assert tmp_path in path.parents


async def test_lists_and_objects_come_in_brackets_or_repeated(files: CallFiles) -> None:
    form = await read(
        form_of(
            field("include[]", "logprobs"),
            field("words[]", "a"),
            field("words[]", "b"),
            field("chunking_strategy[type]", "server_vad"),
            field("chunking_strategy[threshold]", "0.4"),
            field("n", "1"),
            field("n", "2"),
            field("n", "3"),
            field("prompt", "Grüße, 音\r\nzwei"),
        ),
        files,
    )
    assert form.fields == {
        "include": ["logprobs"],
        "words": ["a", "b"],
        "chunking_strategy": {"type": "server_vad", "threshold": "0.4"},
        "n": ["1", "2", "3"],
        "prompt": "Grüße, 音\r\nzwei",
    }


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a[b]"), ("a[b]", "a"), ("a[]", "a[b]"), ("a[b]", "a[]")]
)
async def test_field_in_two_shapes_is_refused(files: CallFiles, first: str, second: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read(form_of(field(first, "1"), field(second, "2")), files)
    assert refused.value.param == "a"


async def test_a_key_that_comes_twice_is_refused(files: CallFiles) -> None:
    twice = form_of(field("a[type]", "auto"), field("a[size]", "1"), field("a[type]", "manual"))
    with pytest.raises(InvalidRequest, match="twice") as refused:
        await read(twice, files)
    assert refused.value.param == "a[type]"


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        ("utf-8", "Grüße, 音".encode()),
        ("UTF8", "音".encode()),
        ("iso-8859-1", "Grüße".encode("latin-1")),
        ("windows-1252", "„Grüße“".encode("cp1252")),
        ("utf-16", "音".encode("utf-16")),
        ("us-ascii", b"hello"),
    ],
)
async def test_text_is_read_as_its_part_says(files: CallFiles, charset: str, raw: bytes) -> None:
    head = f"Content-Type: text/plain; charset={charset}"
    form = await read(form_of(part('name="prompt"', raw, head)), files)
    assert form.fields == {"prompt": raw.decode(charset)}


@pytest.mark.parametrize(
    ("head", "raw"),
    [
        ("Content-Type: text/plain", "Grüße".encode("latin-1")),
        ("Content-Type: text/plain; charset=ascii", "Grüße".encode()),
        ("Content-Type: text/plain; charset=klingon", b"x"),
        ("Content-Type: text/plain; charset=punycode", b"x"),
        ("Content-Type: text/plain; charset=hex", b"00"),
        ('Content-Type: text/plain; charset="ü"', b"00"),
        ('Content-Type: text/plain; charset="a\0b"', b"00"),
    ],
)
async def test_text_that_cannot_be_read_is_refused(files: CallFiles, head: str, raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="send it in UTF-8") as refused:
        await read(form_of(part('name="prompt"', raw, head)), files)
    assert refused.value.param == "prompt"


async def test_all_text_together_has_an_end(files: CallFiles) -> None:
    fields = [field(f"a{number}", "1" * 2**20) for number in range(5)]
    form = await read_form(request(form_of(*fields[:4]), piece=2**16), files, 2**30)
    assert len(form.fields) == 4
    with pytest.raises(BodyTooLarge, match="4 MiB together"):
        await read_form(request(form_of(*fields), piece=2**16), files, 2**30)


async def test_missing_repeated_and_foreign_files_are_refused(files: CallFiles) -> None:
    with pytest.raises(InvalidRequest) as refused:
        (await read(form_of(field("model", "m")), files)).take_file("file")
    assert (refused.value.param, refused.value.code) == ("file", "missing_required_parameter")
    with pytest.raises(InvalidRequest, match="2 times"):
        (await read(form_of(file(), file()), files)).take_file("file")
    with pytest.raises(InvalidRequest) as refused:
        (await read(form_of(file(), file("model")), files)).refuse_other_files("file")
    assert refused.value.param == "model"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"", ""),
        (form_of(file()), "multipart/form-data"),
        (form_of(file()), "multipart/form-data; boundary=other"),
        (form_of(file())[:-10], MULTIPART),
        (form_of(file())[:300], MULTIPART),
        (b"", MULTIPART),
        (b"nonsense", MULTIPART),
        (form_of(b"--edge\r\nno colon here\r\n\r\nx\r\n"), MULTIPART),
        (form_of(*[field("a", "1")] * 600), MULTIPART),
        (form_of(field("a", "1" * (2**20 - 1000)), field("b", "1" * (2**20 + 1))), MULTIPART),
    ],
)
async def test_what_is_no_form_is_refused(files: CallFiles, body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        await read_form(request(body, content_type), files, 2**30)


async def test_declared_size_is_refused_before_anything_is_read(files: CallFiles) -> None:
    with pytest.raises(BodyTooLarge, match="LOCALAI_MAX_UPLOAD_MIB"):
        await read_form(request(b"", length=2**20 + 1), files, 2**20)


async def test_size_that_nobody_declared_is_refused_on_the_way(spool: Spool) -> None:
    sent = request(form_of(file(content=b"x" * 2**20)))
    with pytest.raises(BodyTooLarge), spool.call_files() as files:
        await read_form(sent, files, 2**16)


async def test_files_of_a_failed_call_are_gone(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(ClientDisconnect), spool.call_files() as files:
        await read_form(request(form_of(file())[:900], leaves=True), files, 2**20)
    assert stored(tmp_path) == []


async def test_full_disk_says_what_to_do(files: CallFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: CallFiles) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CallFiles, "create", refuse)
    with pytest.raises(CapacityError, match=r"No space left.*LOCALAI_SPOOL_DIR"):
        await read(form_of(file()), files)


async def test_calls_do_not_share_files(spool: Spool) -> None:
    with spool.call_files() as one, spool.call_files() as other:
        first = (await read(form_of(file(content=b"one")), one)).take_file("file")
        second = (await read(form_of(file(content=b"two")), other)).take_file("file")
        one.close()
        assert not first.path.exists()
        assert second.path.read_bytes() == b"two"
        other.close()
