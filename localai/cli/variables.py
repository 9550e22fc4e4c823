"""Variables of the environment that somebody set for LocalAI and that have no effect here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from localai.errors import nearest
from localai.settings import ENV_PREFIX, Settings

KEY = "LOCALAI_API_KEY"
_OF_THE_COMMANDS = frozenset({KEY, "LOCALAI_URL", "LOCALAI_DEBUG"})
_ELSEWHERE = {
    "LOCALAI_ADDRESS": "LOCALAI_HOST and LOCALAI_PORT say where it listens",
    "LOCALAI_MODELS_PATH": "LOCALAI_MODELS is the folder with your cards",
    "LOCALAI_BACKENDS_PATH": "LOCALAI_BACKENDS are folders with backends",
    "LOCALAI_THREADS": "`options: {n_threads: …}` in a card says it",
    "LOCALAI_F16": "`options` in a card say the types that its engine computes with",
    "LOCALAI_CONTEXT_SIZE": "`limits: {context: …}` in a card says it",
    "LOCALAI_UPLOAD_LIMIT": "LOCALAI_MAX_UPLOAD_MIB is the largest upload",
    "LOCALAI_UPLOAD_PATH": "LOCALAI_SPOOL_DIR is the folder for uploads",
    "LOCALAI_GENERATED_CONTENT_PATH": "LOCALAI_SPOOL_DIR is the folder for generated files",
    "LOCALAI_DATA_PATH": "LOCALAI_STORE is the folder for what is pulled",
    "LOCALAI_PRELOAD_MODELS": "LOCALAI_PRELOAD lists models to install",
    "LOCALAI_WATCHDOG_IDLE": "LOCALAI_KEEP_ALIVE says how long an idle model stays loaded",
    "LOCALAI_WATCHDOG_IDLE_TIMEOUT": "LOCALAI_KEEP_ALIVE says how long an idle model stays loaded",
    "LOCALAI_MODEL_LOAD_FAILURE_COOLDOWN": "LOCALAI_LOAD_COOLDOWN is that time",
}
"""What LocalAI calls otherwise, or knows for all models where it is a matter of a card here."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def variable_warnings(
    settings: Settings, environ: Mapping[str, str] = os.environ
) -> Iterator[tuple[str, str]]:
    """Yield what has no effect and what to do about it, each as a sentence."""
    if environ.get(KEY):
        yield _unchecked_key(settings)
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | _OF_THE_COMMANDS
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            told = _ELSEWHERE.get(name) or _near(name, known) or f"unset {name}"
            yield f"{name} is set, and there is no such setting", told


def _near(name: str, known: Iterable[str]) -> str:
    # Without what all have in common, which would make them all alike.
    told = nearest(name.removeprefix(ENV_PREFIX), (one.removeprefix(ENV_PREFIX) for one in known))
    return re.sub(r"'(\w+)'", rf"'{ENV_PREFIX}\1'", told).strip()


def _unchecked_key(settings: Settings) -> tuple[str, str]:
    if settings.socket is not None:
        reach = f"whoever may open {settings.socket}"
    elif settings.host in _LOOPBACK:
        reach = "every program of this machine"
    else:
        reach = f"whoever reaches {settings.host}"
    text = f"{KEY} is set, and this version checks no keys: {reach} may call"
    mend = "listen on the loopback alone (--host 127.0.0.1), behind a proxy that checks keys"
    return text, mend
