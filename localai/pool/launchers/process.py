"""Starts a worker as a child process: own group, own socket folder, small environment."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

from localai.errors import ConfigError, LoadFailed
from localai.private_folder import PrivateFolder
from localai.protocol.launch import Failed, LaunchSpec, Loading, WorkerInfo, parse_status

TAIL_LINES = 40
_TOLD_LINES = 8
STOP_SECONDS = 8.0
"""How long a process may take after SIGTERM before it is killed."""
_LONGEST_SOCKET_PATH = 107
_SOCKET_BELOW = len("/localai-4194304-abcdefgh/99999/socket")
_LAST_OUTPUT_SECONDS = 1.0
_CHUNK = 64 * 1024
_PASSED_ON = frozenset(
    {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ"}
)
_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""No engine counts its users from here; onnxruntime even writes an id of the machine for that."""
_PASSED_PREFIXES = (
    "CUDA_", "GGML_", "GOMP_", "HIP_", "HSA_", "LLAMA_", "NVIDIA_", "OMP_", "ROCR_", "VK_",
)  # fmt: skip


class Process:
    """A running worker process, seen from the gateway."""

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        folder: Path,
        status: asyncio.StreamReader,
        output: asyncio.StreamReader,
    ) -> None:
        self._child = child
        self._folder = folder
        self._status = status
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._output = asyncio.create_task(self._keep_output(output))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def socket(self) -> Path:
        """Where the worker listens."""
        return self._folder / "socket"

    async def ready(self, deadline: float, on_loading: Callable[[], None]) -> WorkerInfo:
        """Return the worker's own description once it listens.

        Raises LoadFailed with phase, cause of the end and last lines when it says that it failed,
        when it dies, or when `deadline` seconds have passed. The process is gone then.
        """
        try:
            async with asyncio.timeout(deadline):
                return await self._read_status(on_loading)
        except TimeoutError:
            await self.stop(grace=0)
            raise self.load_failure(
                "load", f"The model was not ready within {deadline:g} seconds"
            ) from None
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self.stop(grace=0)))
            raise

    async def _read_status(self, on_loading: Callable[[], None]) -> WorkerInfo:
        phase = "launch"
        while line := await self._status.readline():
            message = parse_status(line)
            if isinstance(message, Loading):
                phase = "load"
                on_loading()
            elif isinstance(message, Failed):
                await self.wait()
                raise LoadFailed(message.message, code=message.code, details=self._details(phase))
            else:
                return message.info
        await self.wait()
        raise self.load_failure(phase, f"The worker ended while it was to {phase}")

    def load_failure(self, phase: str, sentence: str) -> LoadFailed:
        """Return the error for a worker that is gone and did not say why."""
        return LoadFailed(f"{sentence}: {self.obituary()}", details=self._details(phase))

    def _details(self, phase: str) -> dict[str, object]:
        return {"phase": phase, "exit": self.exit_cause(), "last_lines": self.tail()}

    def exit_cause(self) -> str:
        """Say in words how the process ended."""
        code = self._child.returncode
        if code is None:
            return "it still runs"
        if code >= 0:
            return f"it ended with exit code {code}"
        name = _signal_name(-code)
        hint = " (the kernel does this when memory runs out)" if name == "SIGKILL" else ""
        return f"it was killed by {name}{hint}"

    def obituary(self) -> str:
        """Say how the process ended and what it printed last."""
        lines = "\n".join(_telling(self.tail()))
        return f"{self.exit_cause()}." + (f" Its last lines:\n{lines}" if lines else "")

    def tail(self) -> list[str]:
        """Return the last lines that the process printed."""
        return list(self._tail)

    def memory_bytes(self) -> int | None:
        """Return the resident set of the process, None where it cannot be read."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def wait(self) -> int:
        """Return the exit code once the process is gone and all its output read."""
        code = await self._child.wait()
        self._kill_group(signal.SIGKILL)  # what it started must not stay
        # A grandchild that left the group may hold the pipe open for ever.
        await asyncio.wait({self._output}, timeout=_LAST_OUTPUT_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)
        return code

    async def stop(self, grace: float = STOP_SECONDS) -> int:
        """End the process: SIGTERM, and SIGKILL after `grace` seconds."""
        if grace > 0:
            self._kill_group(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace):
                    return await self.wait()
            except TimeoutError:
                pass
        self._kill_group(signal.SIGKILL)
        return await self.wait()

    def _kill_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    async def _keep_output(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            self._tail.extend(line.decode("utf-8", "replace") for line in lines)
            rest = rest[-_CHUNK:]
        if rest:
            self._tail.append(rest.decode("utf-8", "replace"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _telling(tail: list[str]) -> list[str]:
    """Return the lines that say most: a fatal error tells at its head, anything else at its end."""
    fatal = [i for i, line in enumerate(tail) if line.startswith("Fatal Python error")]
    return tail[fatal[0] : fatal[0] + _TOLD_LINES] if fatal else tail[-_TOLD_LINES:]


class ProcessLauncher:
    """Starts workers as children of this process, below one private folder."""

    def __init__(self, runtime_dir: Path | None = None) -> None:
        given = runtime_dir or Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        check_runtime_folder(given.absolute())
        self._folder = PrivateFolder(given.absolute(), "localai")
        self._numbers = itertools.count(1)

    async def launch(self, spec: LaunchSpec) -> Process:
        """Start a worker for `spec`; its socket and status pipe are filled in here."""
        folder = self._folder.path / str(next(self._numbers))
        folder.mkdir(mode=0o700)
        status_read, status_write = os.pipe()
        output_read, output_write = os.pipe()
        filled = {
            "socket": folder / "socket",
            "status_fd": status_write,
            "parent_pid": os.getpid(),
        }
        try:
            text = spec.model_copy(update=filled).model_dump_json()
            (folder / "launch.json").write_text(text, "utf-8")
            child = await _spawn(folder, status_write, output_write)
        except BaseException:
            os.close(status_read)
            os.close(output_read)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            os.close(status_write)
            os.close(output_write)
        return Process(child, folder, await _read_pipe(status_read), await _read_pipe(output_read))

    def close(self) -> None:
        """Remove the private folder."""
        self._folder.close()


async def _spawn(folder: Path, status_fd: int, output_fd: int) -> asyncio.subprocess.Process:
    # Not asyncio's own pipe: its `wait` also waits for the pipe's end, which a grandchild can hold.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "localai.worker", str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output_fd,
        stderr=output_fd,
        cwd=folder,
        env=worker_environment(os.environ),
        pass_fds=(status_fd,),
        start_new_session=True,
    )  # fmt: skip


def worker_environment(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """Return what a worker may see of `environ`: paths, language, accelerator settings."""
    kept = {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_PREFIXES)
    }
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"} | _QUIET


async def _read_pipe(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(fd, "rb", 0))
    return reader


def check_runtime_folder(parent: Path) -> None:
    """Refuse a folder below which no socket can be bound (unix(7): 108 bytes with the end)."""
    if not parent.is_dir():
        raise ConfigError(
            f"runtime_dir: the folder {parent} does not exist: create it, or give another one",
            param="runtime_dir",
        )
    if len(os.fsencode(parent)) + _SOCKET_BELOW > _LONGEST_SOCKET_PATH:
        raise ConfigError(
            f"runtime_dir: {parent} is too long for Unix sockets: give a path of at most "
            f"{_LONGEST_SOCKET_PATH - _SOCKET_BELOW} bytes",
            param="runtime_dir",
        )
