"""The socket that the gateway listens on."""

from __future__ import annotations

import errno
import socket

from localai.errors import ConfigError

BACKLOG = 2048


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes a free one.

    Raises ConfigError that says what to do when the address cannot be had.
    """
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


def shown_url(host: str, port: int) -> str:
    """Return the address to call; one that listens everywhere is called on the loopback."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


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
