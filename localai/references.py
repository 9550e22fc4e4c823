"""How a person names a model: eight forms of text, each with a type of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from localai.concealing import shown_url
from localai.errors import InvalidReference
from localai.file_kinds import is_model_file

DEFAULT_REVISION = "main"
DEFAULT_TAG = "latest"
OLLAMA_HOST = "registry.ollama.ai"
OLLAMA_NAMESPACE = "library"
DOCKER_HOST = "docker.io"

_HUB_HOSTS = ("huggingface.co", "hf.co", "www.huggingface.co")
_OLLAMA_HOSTS = ("ollama.com", "www.ollama.com", "registry.ollama.com", "registry.ollama.ai")
_OLLAMA_PAGES = ("ollama.com", "www.ollama.com")
_IMAGE_HOSTS = ("docker.io", "ghcr.io", "quay.io", "mcr.microsoft.com", "gcr.io", "rlcr.io")
_LONGEST = 2000

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_REPO = re.compile(rf"{_NAME}/{_NAME}")
_QUANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_GGUF_QUANT = re.compile(
    r"(?:UD-)?I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|B?F16|F32", re.IGNORECASE
)
_REPO_AND_QUANT = re.compile(rf"{_NAME}/{_NAME}:{_QUANT.pattern}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PACKAGE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:/(.*))?")
_CATALOG_NAME = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9._:-]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_SHORT_SCHEME = re.compile(r"(github|hf|file):", re.IGNORECASE)
_FILE = re.compile(r"file:(?://[^/]*(?=/))?(.*)", re.IGNORECASE | re.DOTALL)
_HERE = frozenset({"", "file", "package"})
"""Schemes of what lies on this machine."""

FORMS = (
    "hf://org/repo[/file][:quant][@revision], ollama://name[:tag], oci://host/repo[:tag], "
    "https://host/file, file:///path or a path, package://module/path, or a name of the gallery"
)


@dataclass(frozen=True)
class HubReference:
    """A repository of Hugging Face's hub, a file in it, or a quantisation of it."""

    repo: str
    file: str | None = None
    quant: str | None = None
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        quant = f":{self.quant}" if self.quant else ""
        revision = f"@{self.revision}" if self.revision != DEFAULT_REVISION else ""
        return f"hf://{self.repo}{file}{quant}{revision}"


@dataclass(frozen=True)
class OllamaReference:
    """A model of Ollama's registry, or of a host that speaks its protocol."""

    host: str
    namespace: str
    model: str
    tag: str = DEFAULT_TAG

    def __str__(self) -> str:
        usual = self.host == OLLAMA_HOST
        host = "" if usual else f"{self.host}/"
        namespace = "" if usual and self.namespace == OLLAMA_NAMESPACE else f"{self.namespace}/"
        return f"ollama://{host}{namespace}{self.model}:{self.tag}"


@dataclass(frozen=True)
class OciReference:
    """An artifact or image of a container registry; a digest counts before a tag."""

    host: str
    repository: str
    tag: str = DEFAULT_TAG
    digest: str | None = None

    def __str__(self) -> str:
        which = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"oci://{self.host}/{self.repository}{which}"


@dataclass(frozen=True)
class UrlReference:
    """One file, or one archive, at an address of the web.

    As a text it has neither its login nor its secrets: records, lists and exports show it.
    """

    url: str = field(repr=False)

    def __str__(self) -> str:
        return shown_url(self.url)


@dataclass(frozen=True)
class FileReference:
    """A file or folder of this machine, used where it lies."""

    path: Path

    def __str__(self) -> str:
        return f"file://{quote(str(self.path))}" if self.path.is_absolute() else str(self.path)


@dataclass(frozen=True)
class PackageReference:
    """A file inside an installed Python package."""

    module: str
    path: str = ""

    def __str__(self) -> str:
        return f"package://{self.module}/{self.path}".rstrip("/")


@dataclass(frozen=True)
class NameReference:
    """A name that a gallery or a list of short names explains."""

    name: str

    def __str__(self) -> str:
        return self.name


Reference = (
    HubReference
    | OllamaReference
    | OciReference
    | UrlReference
    | FileReference
    | PackageReference
    | NameReference
)


def scheme_of(text: str) -> str:
    """Return the scheme that a text is written with, in small letters; `` for a path or a name."""
    found = _SCHEME.match(text) or _SHORT_SCHEME.match(text)
    return found[1].lower() if found else ""


def is_remote(text: str) -> bool:
    """Tell whether the scheme of a text says that what it names lies elsewhere."""
    return scheme_of(text) not in _HERE


def is_reference(text: str) -> bool:
    """Tell whether a text is more than a path or a name: it has a scheme or the host of a hub."""
    host, _, rest = text.partition("/")
    return scheme_of(text) != "" or (rest != "" and host.lower() in (*_HUB_HOSTS, *_OLLAMA_HOSTS))


def local_path(text: str) -> Path | None:
    """Return the path that a text is, or names by `file:`; None for every other scheme.

    A relative path stays one, and its home folder is spelled out.
    """
    if found := _FILE.fullmatch(text):
        return Path(unquote(found[1]))
    return None if scheme_of(text) else Path(text).expanduser()


def parse_reference(text: str) -> Reference:
    """Return what `text` names; nothing is looked up.

    Raises InvalidReference with the forms there are.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST or any(ord(char) < 32 for char in text):
        raise _invalid(text, "it is empty, too long or holds control characters")
    if text.lower().startswith("github:"):
        return _github(text[len("github:") :].lstrip("/"))
    if text.lower().startswith("file:") and not text.lower().startswith("file://"):
        return FileReference(Path(unquote(text[len("file:") :])))
    if text.lower().startswith("hf:") and not text.lower().startswith("hf://"):
        return _hub(text[len("hf:") :], text)
    if scheme := _SCHEME.fullmatch(text):
        return _with_scheme(scheme[1].lower(), scheme[2], text)
    return _without_scheme(text)


def reference_or_none(text: str) -> Reference | None:
    """Return what `text` names, None where it names nothing."""
    try:
        return parse_reference(text)
    except InvalidReference:
        return None


def _with_scheme(scheme: str, rest: str, text: str) -> Reference:
    match scheme:
        case "hf" | "huggingface":
            return _hub(rest, text)
        case "ollama":
            return _ollama(rest, text)
        case "oci" | "docker":
            return _oci(rest, text)
        case "http" | "https":
            return _web(text)
        case "file":
            return _file(text)
        case "package":
            return _package(rest, text)
    raise _invalid(text, f"the scheme '{scheme}' is not one of them")


def _without_scheme(text: str) -> Reference:
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."}:
        return FileReference(Path(text).expanduser())
    first, _, rest = text.partition("/")
    if first.lower() in _HUB_HOSTS and rest:
        return _hub(rest, text)
    if first.lower() in _OLLAMA_HOSTS and rest:
        return _ollama(text, text)
    if first.lower() in _IMAGE_HOSTS and rest:
        return _oci(text, text)
    if _REPO_AND_QUANT.fullmatch(text):
        return _hub(text, text)
    if text.count("/") <= 1 and is_model_file(text):
        return FileReference(Path(text))
    if rest:
        return _hub(text, text)
    if _CATALOG_NAME.fullmatch(text):
        return NameReference(text)
    raise _invalid(text, "it is none of them")


def _hub(rest: str, text: str) -> HubReference:
    rest, revision = _cut_revision(unquote(rest.strip("/")), text)
    rest, colon, quant = rest.partition(":")
    if colon and not _QUANT.fullmatch(quant):
        raise _invalid(text, f"'{quant}' cannot be a quantisation")
    quant = re.sub(r"\.gguf$", "", quant, flags=re.IGNORECASE)
    if quant.lower() == DEFAULT_TAG:  # as Ollama writes it: none in particular
        quant = ""
    parts = rest.split("/")
    repo, file = "/".join(parts[:2]), "/".join(parts[2:])
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        raise _invalid(text, "a repository is written org/repo")
    if file:
        check_relative_path(file)
    if file and quant:
        raise _invalid(text, "it names a file and a quantisation: leave one of them out")
    return HubReference(repo, file or None, _one_case(quant) or None, revision)


def _one_case(quant: str) -> str:
    """Return the one case of a quantisation, or of a pipeline's variant: both are found in any."""
    return quant.upper() if _GGUF_QUANT.fullmatch(quant) else quant.lower()


def _cut_revision(rest: str, text: str) -> tuple[str, str]:
    """Return the text without `@revision`, which may follow the repository or end the whole."""
    before, at, after = rest.partition("@")
    if not at:
        return rest, DEFAULT_REVISION
    revision, file = after, ""
    if before.count("/") == 1 and ":" not in before and not after.startswith("refs/"):
        revision, slash, file = after.partition("/")
        file = slash + file
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise _invalid(text, f"'{revision}' cannot be a revision")
    return before + file, revision


def _ollama(rest: str, text: str) -> OllamaReference:
    parts = rest.strip("/").split("/")
    model, _, tag = parts[-1].partition(":")
    host, namespace = OLLAMA_HOST, OLLAMA_NAMESPACE
    if len(parts) == 2:
        # With one part before the model, only a dot or a port tells a host from a namespace.
        if _looks_like_host(parts[0]):
            host = parts[0]
        else:
            namespace = parts[0]
    elif len(parts) == 3:
        host, namespace = parts[:2]
    elif len(parts) != 1:
        raise _invalid(text, "after ollama:// comes [host/][namespace/]model[:tag]")
    host = OLLAMA_HOST if host.lower() in _OLLAMA_HOSTS else host.lower()
    tag = tag or DEFAULT_TAG
    good = all(_PART.fullmatch(part) and ".." not in part for part in (namespace, model, tag))
    if not good or not _HOST.fullmatch(host):
        raise _invalid(text, "after ollama:// comes [host/][namespace/]model[:tag]")
    return OllamaReference(host, namespace, model, tag)


def _oci(rest: str, text: str) -> OciReference:
    rest, at, digest = rest.strip("/").partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "a digest is written sha256: and 64 hex digits")
    first, slash, path = rest.partition("/")
    if not slash or not _looks_like_host(first):
        first, path = DOCKER_HOST, rest
    path, _, tag = path.partition(":")
    parts = path.split("/")
    if not all(_PART.fullmatch(part) and ".." not in part for part in [*parts, tag or DEFAULT_TAG]):
        raise _invalid(text, "after oci:// comes host/repository[:tag] or host/repository@digest")
    if first == DOCKER_HOST and len(parts) == 1:
        path = f"library/{path}"
    if not _HOST.fullmatch(first):
        raise _invalid(text, f"'{first}' is not a host")
    return OciReference(first.lower(), path, tag or DEFAULT_TAG, digest or None)


def _looks_like_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost"


def _web(text: str) -> Reference:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise _invalid(text, str(error)) from None
    if not parts.hostname:
        raise _invalid(text, "it names no host")
    if parts.hostname in _HUB_HOSTS and (found := _hub_page(parts.path, text)):
        return found
    if parts.hostname in _OLLAMA_PAGES and (model := parts.path.strip("/")):
        return _ollama(f"{OLLAMA_HOST}/{model}" if "/" in model else model, text)
    return UrlReference(text)


def _hub_page(path: str, text: str) -> HubReference | None:
    """Return the repository or file that a page of the hub shows, None for another page."""
    parts = unquote(path).strip("/").split("/")
    repo = "/".join(parts[:2])
    if len(parts) == 2 and (_REPO.fullmatch(repo) or _REPO_AND_QUANT.fullmatch(repo)):
        return _hub(repo, text)
    is_tree = len(parts) > 3 and parts[2] == "tree"
    if is_tree or (len(parts) > 4 and parts[2] in {"resolve", "blob", "raw"}):
        reference = _hub("/".join([repo, *parts[4:]]), text)
        return HubReference(reference.repo, reference.file, None, parts[3])
    return None


def _github(rest: str) -> UrlReference:
    """Return the address of a file of a GitHub repository: `org/repo/path@branch`."""
    rest, _, branch = rest.partition("@")
    org, _, path = rest.partition("/")
    repo, _, path = path.partition("/")
    if not (org and repo and path):
        raise _invalid(f"github:{rest}", "after github: comes org/repo/path[@branch]")
    check_relative_path(path)
    where = quote(f"{org}/{repo}/{branch or 'main'}/{path}")
    return UrlReference(f"https://raw.githubusercontent.com/{where}")


def _file(text: str) -> FileReference:
    parts = urlsplit(text)
    if parts.netloc not in {"", "localhost"}:
        raise _invalid(text, "after file:// comes an absolute path: file:///path")
    return FileReference(Path(unquote(text[len("file://") + len(parts.netloc) :])))


def _package(rest: str, text: str) -> PackageReference:
    found = _PACKAGE.fullmatch(rest)
    if found is None:
        raise _invalid(text, "after package:// comes module/path")
    if found[2]:
        check_relative_path(found[2])
    return PackageReference(found[1], found[2] or "")


def check_relative_path(path: str) -> str:
    """Return `path` if it stays in the folder that it is relative to.

    Raises InvalidReference for absolute paths, `..`, backslashes, drives and control characters.
    """
    parts = path.split("/")
    bad = (
        not path
        or len(path) > 1000
        or "\\" in path
        or any(ord(char) < 32 or ord(char) == 127 for char in path)
        or any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts)
        or re.match(r"[A-Za-z]:", path) is not None
    )
    if bad:
        raise InvalidReference(
            f"The file name {path[:200]!r} would leave its folder or cannot be one: it is refused."
        )
    return path


def _invalid(text: str, why: str) -> InvalidReference:
    text = shown_url(text) if "://" in text else text
    return InvalidReference(
        f"'{text[:200]}' does not name a model: {why}. The forms are {FORMS}.", param="model"
    )
