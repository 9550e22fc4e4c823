"""Where the gateway listens: a port of this machine, or a Unix socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from localai.cli.addresses import UNIX, shown_url
from localai.cli.unix_socket import unix_socket
from localai.errors import ConfigError
from localai.settings import Settings

BACKLOG = 2048


@contextmanager
def listen(settings: Settings) -> Iterator[tuple[socket.socket, str]]:
    """Listen where the settings say, and yield the socket and the address to call.

    Raises ConfigError that says what to do when that place cannot be had.
    """
    if settings.socket is not None:
        with unix_socket(settings.socket) as listener:
            yield listener, f"{UNIX}{settings.socket}"
    else:
        with open_socket(settings.host, settings.port) as listener:
            yield listener, shown_url(settings.host, listener.getsockname()[1])


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes a free one.

    Raises ConfigError that says what to do when the address cannot be had.
    """
    if "/" in host:
        text = f"host: '{host}' is a path: to listen on a Unix socket, use --socket {host}"
        raise ConfigError(text, param="host")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        text = f"host: '{host}' is no address of this machine: try --host 127.0.0.1"
        raise ConfigError(text, param="host") from error
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise _config_error(error, host, port) from error


def _config_error(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {port} of {host} is taken by another program: stop it, or choose another port "
            "with --port (0 takes a free one).",
            param="port",
        )
    if error.errno == errno.EACCES:
        text = f"Port {port} needs privileges: choose one above 1023 with --port."
        return ConfigError(text, param="port")
    return ConfigError(f"Cannot listen on {host} port {port}: {error.strerror}.", param="host")
