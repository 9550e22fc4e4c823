"""Why a request failed, in words that a person can use: one place for all clients."""

from __future__ import annotations

import socket

from localai.network.tls import tls_failure

CHECK_THE_NETWORK = "Check the network (behind a proxy set HTTPS_PROXY), then try again."
_UNKNOWN_SIGNER = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's numbers of failures that the certificate of an authority mends."""


def reason_of(error: BaseException) -> str:
    """Return why a client failed, without a full stop; for a certificate also what to do."""
    import ssl

    import httpx2

    failure = tls_failure(error)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return _of_certificate(failure)
    causes = _causes(error)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return _without_address(error)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "the connection was refused"
    if isinstance(error, httpx2.TimeoutException):
        return "no answer came in time"
    told = next((cause.strerror for cause in causes if isinstance(cause, OSError)), None)
    return (told or str(error) or type(error).__name__).rstrip(".")


def _of_certificate(failure: object) -> str:
    advice = "compare the clock of this machine and the name with what the certificate says"
    if getattr(failure, "verify_code", None) in _UNKNOWN_SIGNER:
        advice = (
            "add the certificate of its authority to those of this machine, or name a file with "
            "all authorities that you trust in SSL_CERT_FILE"
        )
    said = getattr(failure, "verify_message", "")
    return f"its certificate is not trusted here ({said}): {advice}"


def _causes(error: BaseException) -> list[BaseException]:
    """Return what is behind an error, and itself at the end; of several addresses' all."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one in found:  # they may stand behind each other
            continue
        found.insert(0, one)
        # Clients hide what was behind, as they have taken its words.
        waiting += [behind for behind in (one.__cause__ or one.__context__,) if behind is not None]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return found


def _without_address(error: BaseException) -> str:
    """Return which name has none: that of the host, or of the proxy that is asked instead."""
    import httpx2

    from localai.network.clients import proxy_for

    if not isinstance(error, httpx2.RequestError):
        return "its name has no address"
    try:
        url = error.request.url
    except RuntimeError:  # it knows no request
        return "its name has no address"
    if (proxy := proxy_for(url)) is not None:
        return f"the proxy '{httpx2.URL(proxy).host}' has no address"
    return f"the host '{url.host}' has no address"
