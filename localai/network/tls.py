"""Whom TLS believes: the authorities of this machine or of the environment, and a server's own.

`SSL_CERT_FILE` and `SSL_CERT_DIR` stand in place of this machine's authorities, as for OpenSSL;
where neither is set `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE` does, as for requests.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_LOG = logging.getLogger("localai.network")
_building = threading.Lock()


@dataclass(frozen=True)
class Certificates:
    """What counts for one server, at `origin` (scheme, host and port), beside what counts for all.

    `authorities` are files in PEM, and count for what the server leads to as well; `own` are
    certificates to show to itself alone, each with its key. Unless `checked` any certificate of
    its own is good.
    """

    authorities: tuple[Path, ...] = ()
    own: tuple[tuple[Path, Path], ...] = ()
    checked: bool = True
    origin: str = ""

    @property
    def elsewhere(self) -> Certificates:
        """What of it counts where the server leads to, as its tokens' address and its blobs'."""
        return self if self.checked and not self.own else Certificates(self.authorities)


USUAL = Certificates()


def context_for(certificates: Certificates = USUAL) -> ssl.SSLContext:
    """Return what checks and shows certificates; building it takes long, so it is kept.

    Files that have changed are read again. Raises ConfigError for those that cannot be used.
    """
    file, folder = _of_environment()
    used = [file, folder, *certificates.authorities, *sum(certificates.own, ())]
    with _building:  # many may want it at once the first time
        return _built(replace(certificates, origin=""), file, folder, tuple(map(_stamp, used)))


def tls_failure(error: BaseException) -> ssl.SSLError | None:
    """Return the failure of TLS behind the error of a client, None where it has another cause."""
    import ssl

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause


def is_distrust(error: BaseException) -> bool:
    """Tell whether the server was reached, and its certificate not believed."""
    import ssl

    return isinstance(tls_failure(error), ssl.SSLCertVerificationError)


def _of_environment() -> tuple[str | None, str | None]:
    """Return the file and the folder with all authorities, None for what is not named."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        return file or None, folder or None
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None
    return (None, bundle) if bundle and os.path.isdir(bundle) else (bundle, None)


def _stamp(path: str | Path | None) -> int:
    with suppress(OSError):
        return 0 if path is None else os.stat(path).st_mtime_ns
    return 0


@lru_cache(maxsize=16)
def _built(
    certificates: Certificates, file: str | None, folder: str | None, _: tuple[int, ...]
) -> ssl.SSLContext:
    import ssl

    context = _believing(file, folder)
    for path in certificates.authorities:
        with _reading(str(path)), _unless_forbidden(str(path)):
            context.load_verify_locations(path)
    for certificate, key in certificates.own:
        pair = f"{certificate} with {key}"
        with _reading(pair), _unless_forbidden(pair):
            # Without a password here OpenSSL asks for one at the terminal, and waits.
            context.load_cert_chain(certificate, key, password="")
    if not certificates.checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _believing(file: str | None, folder: str | None) -> ssl.SSLContext:
    import ssl

    import httpx2

    if file is None and folder is None:
        return httpx2.create_ssl_context(trust_env=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file is not None:
        with _reading(f"{file}, which the environment names for TLS,"):
            context.load_verify_locations(cafile=file)
    is_there = folder is not None and any(map(os.path.isdir, folder.split(os.pathsep)))
    if is_there or file is None:  # beside a file a folder need not be there, as for OpenSSL
        with _reading(f"{folder}, which the environment names for TLS,"):
            if not is_there:
                raise FileNotFoundError(2, "No such folder", folder)
            context.load_verify_locations(capath=folder)
    return context


@contextmanager
def _unless_forbidden(what: str) -> Iterator[None]:
    """Go on without what only another user may read: most servers never ask for it."""
    try:
        yield
    except PermissionError:
        _LOG.warning("%s may not be read by this user: connecting without it.", what)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{what} cannot be read as certificates in PEM: {reason}. Mend or remove it."
        ) from error
