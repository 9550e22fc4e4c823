"""One frozen object of settings: flags, then LOCALAI_* variables, then a file, then defaults."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from localai.durations import Duration, format_duration
from localai.errors import ConfigError, nearest

ENV_PREFIX = "LOCALAI_"
AUTO_PROFILE = "auto"
PROFILES = ("cpu", "gpu-8g", "gpu-24g")
_PROFILE_VARIABLE = "PROFILE"
"""What all-in-one images of other makers read; it counts only where it names a profile."""
_MODELS_VARIABLE = "MODELS"
"""What LocalAI reads as a list of models; it counts only where none of them is a folder."""
_PACKAGE = Path(__file__).resolve().parent


def default_models_folder() -> Path:
    """Return the user's own folder of cards, after the XDG convention."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "localai" / "models"


def default_store_folder() -> Path:
    """Return where pulled models are kept, beside the folder of cards."""
    return default_models_folder().with_name("store")


def _split_folders(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _split_models(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in re.split("[,;]", value) if part.strip()]


def _expand_home(value: object) -> object:
    # Absolute, because workers start in folders of their own.
    if isinstance(value, str | Path) and str(value):
        return Path(value).expanduser().absolute()
    return value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _check_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    return value


Finite = Annotated[float, Field(allow_inf_nan=False)]
Url = Annotated[str, AfterValidator(_check_url)]
Folder = Annotated[Path, BeforeValidator(_expand_home)]
OptionalFolder = Annotated[Folder | None, BeforeValidator(_none_if_empty)]
OptionalFile = OptionalFolder
ModelNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_models)]
Folders = Annotated[tuple[Folder, ...], NoDecode, BeforeValidator(_split_folders)]


class Settings(BaseSettings):
    """What a start of the gateway can be told; `load_settings` reads it from all its sources."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,  # as compose files and charts write what nobody has set
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=False,
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one"
    )
    socket: OptionalFile = Field(
        default=None, description="Unix socket to listen on, in place of `host` and `port`"
    )
    public_url: Annotated[Url | None, BeforeValidator(_none_if_empty)] = Field(
        default=None,
        description="Address that callers use, where a proxy stands before the gateway",
    )
    models: Folder = Field(
        default_factory=default_models_folder, description="Folder with your model cards"
    )
    store: Folder = Field(
        default_factory=default_store_folder, description="Folder for the models that are pulled"
    )
    galleries: OptionalFolder = Field(
        default=None,
        description="Folder that keeps the galleries you add; else the one with the models folder",
    )
    backends: Folders = Field(
        default=(), description="More folders with backends, beside the built-in one"
    )
    profile: Annotated[
        Literal["auto", "cpu", "gpu-8g", "gpu-24g"] | None, BeforeValidator(_none_if_empty)
    ] = Field(
        default=None,
        description="Models under OpenAI's names: `cpu`, `gpu-8g`, `gpu-24g`, or `auto` to choose",
    )
    preload: ModelNames = Field(
        default=(),
        description="Models to install at the start where they are not here: names or references",
    )
    max_body_mib: Finite = Field(default=64, gt=0, description="Largest request body, in MiB")
    max_upload_mib: Finite = Field(
        default=2048, gt=0, description="Largest upload of audio or pictures, in MiB"
    )
    spool_dir: OptionalFolder = Field(
        default=None, description="Folder for uploads and generated files; else the temp folder"
    )
    max_media_mib: Finite = Field(
        default=64,
        gt=0,
        description="All pictures and audio that one chat refers to, together, in MiB",
    )
    media_timeout: Finite = Field(
        default=30.0, gt=0, description="Seconds that fetching a picture or audio may take"
    )
    allow_private_media: bool = Field(
        default=False, description="Fetch pictures and audio from private addresses too"
    )
    allow_private_models: bool = Field(
        default=False,
        description="Fetch models that callers ask for from private addresses too",
    )
    file_ttl: Duration = Field(
        default=3600.0, description="How long the address of a generated picture is valid"
    )
    max_json_depth: int = Field(
        default=64, ge=1, le=500, description="Deepest nesting of a JSON body"
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(_lower_case)
    ] = Field(default="info", description="Least severity that is logged")
    keep_alive: Duration = Field(
        default=300.0, description="How long an idle model stays loaded where its card does not say"
    )
    drain_timeout: Finite = Field(
        default=30.0, ge=0, description="Seconds that running calls may take to end after SIGTERM"
    )
    load_cooldown: Finite = Field(
        default=5.0,
        ge=0,
        description="Seconds a failed load is remembered; doubles each time, up to 5 minutes",
    )
    runtime_dir: OptionalFolder = Field(
        default=None,
        description="Folder for the workers' sockets; else `$XDG_RUNTIME_DIR` or the temp folder",
    )
    default_chat: str | None = Field(
        default=None, description="Model that answers chat calls which name none"
    )
    default_completion: str | None = Field(
        default=None, description="Model that answers completion calls which name none"
    )
    default_vision: str | None = Field(
        default=None, description="Model that answers chat calls with pictures which name none"
    )
    default_hearing: str | None = Field(
        default=None, description="Model that answers chat calls with audio which name none"
    )
    default_embedding: str | None = Field(
        default=None, description="Model that embeds when a call names none"
    )
    default_transcription: str | None = Field(
        default=None, description="Model that transcribes when a call names none"
    )
    default_translation: str | None = Field(
        default=None, description="Model that translates speech when a call names none"
    )
    default_vad: str | None = Field(
        default=None, description="Model that finds speech when a call names none"
    )
    default_speech: str | None = Field(
        default=None, description="Model that speaks when a call names none"
    )
    default_image: str | None = Field(
        default=None, description="Model that draws when a call names none"
    )
    default_image_edit: str | None = Field(
        default=None, description="Model that edits pictures when a call names none"
    )
    default_image_variation: str | None = Field(
        default=None, description="Model that varies pictures when a call names none"
    )
    reload_interval: Finite = Field(
        default=1.0, gt=0, description="Seconds between two looks at the folders of cards"
    )
    lenient: bool = Field(
        default=False,
        description="Ignore parameters that a model cannot honour instead of refusing them",
    )

    def default_models(self) -> dict[str, str]:
        """Return the chosen default model by capability, for those that are set."""
        prefix = "default_"
        chosen = {
            name.removeprefix(prefix): getattr(self, name)
            for name in type(self).model_fields
            if name.startswith(prefix)
        }
        return {capability: model for capability, model in chosen.items() if model}


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Return the settings of this start; flags that are None were not given.

    Raises ConfigError that names the key, the value and where it came from.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    in_file = _read_config(config) if config else {}
    in_env = dict(EnvSettingsSource(Settings)())
    by_habit = _profile_by_habit() | _preload_by_habit()
    _refuse_unknown(given, "the flags")
    _refuse_unknown(in_file, str(config))
    sources = _sources(given, in_env, in_file, config)
    try:
        return Settings(**(by_habit | in_file | in_env | given))
    except ValidationError as error:
        raise _config_error(error, sources) from None


def ensure_folders(settings: Settings) -> None:
    """Create the default models folder, and refuse folders that were given but do not exist."""
    if settings.models == default_models_folder():
        _create_folder(settings.models)
    check_folders(settings)


def check_folders(settings: Settings) -> None:
    """Refuse folders that were given but do not exist."""
    if settings.models != default_models_folder() and not settings.models.is_dir():
        raise ConfigError(
            f"models: the folder {settings.models} does not exist: create it, or give another one "
            f"with --models{_preload_hint(settings)}",
            param="models",
        )
    for folder in settings.backends:
        if not folder.is_dir():
            raise ConfigError(f"backends: the folder {folder} does not exist", param="backends")


def builtin_backends_folder() -> Path:
    """Return where the backends that ship with LocalAI are."""
    return _bundled("backends")


def builtin_cards_folder() -> Path:
    """Return where the cards of the starter models are."""
    return _bundled("model-gallery/starter/cards")


def profile_folder(profile: str) -> Path:
    """Return where the cards of a profile are."""
    return _bundled(f"aio-images/{profile}")


def catalog_folders(settings: Settings) -> list[Path]:
    """Return the folders of cards, the built-in one first, so that the user's override it.

    Raises ConfigError for the profile `auto`, which has to become another one before.
    """
    if settings.profile == AUTO_PROFILE:
        text = f"profile: 'auto' is not chosen yet: give one of {', '.join(PROFILES)}"
        raise ConfigError(text, param="profile")
    profile = [profile_folder(settings.profile)] if settings.profile else []
    return [builtin_cards_folder(), *profile, settings.models]


def backend_folders(settings: Settings) -> list[Path]:
    """Return the folders of backends, the built-in one first, so that the user's override it."""
    return [builtin_backends_folder(), *settings.backends]


def displayed_default(name: str) -> str:
    """Return the default of the setting `name` as help texts and docs show it."""
    if name == "models":
        return "~/.local/share/localai/models"
    if name == "store":
        return "~/.local/share/localai/store"
    default = Settings.model_fields[name].default
    if name in {"keep_alive", "file_ttl"}:
        return format_duration(default)
    if isinstance(default, bool):
        return str(default).lower()
    return (
        ""
        if default in (None, ())
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )


def _profile_by_habit() -> dict[str, str]:
    value = os.environ.get(_PROFILE_VARIABLE, "")
    return {"profile": value} if value in {AUTO_PROFILE, *PROFILES} else {}


def _preload_by_habit() -> dict[str, str]:
    value = os.environ.get(_MODELS_VARIABLE, "")
    named = _split_models(value)
    assert isinstance(named, list)
    # Many a shell has its folder of models in a variable of this name.
    is_folder = any(Path(one).expanduser().is_dir() for one in named)
    return {"preload": value} if named and not is_folder else {}


def _preload_hint(settings: Settings) -> str:
    """Return what was meant where the variable for the folder seems to name models."""
    value = os.environ.get("LOCALAI_MODELS", "")
    is_of_variable = _expand_home(value) == settings.models
    if not is_of_variable or (os.sep in value and "://" not in value):
        return ""
    return ". Models to install at the start are named in LOCALAI_PRELOAD"


def _bundled(relative: str) -> Path:
    # A wheel carries these folders inside the package, a checkout beside it.
    inside = _PACKAGE / "bundled" / relative
    return inside if inside.is_dir() else _PACKAGE.parent / relative


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"models: cannot create the folder {folder}: {error.strerror}; "
            f"give another one with --models",
            param="models",
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold `setting: value` lines, not a {type(data).__name__}")
    return _relative_to(path.parent, {str(key): value for key, value in data.items()})


def _relative_to(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    # A path in a file means the same wherever the program is started from.
    anchored = dict(values)
    for key in ("models", "store", "galleries", "socket", "runtime_dir", "spool_dir"):
        if isinstance(value := values.get(key), str):
            anchored[key] = folder / Path(value).expanduser()
    if isinstance(several := _split_folders(values.get("backends")), list):
        anchored["backends"] = [
            folder / Path(one).expanduser() if isinstance(one, str) else one for one in several
        ]
    return anchored


def _refuse_unknown(values: Mapping[str, Any], source: str) -> None:
    for key in values:
        if key not in Settings.model_fields:
            hint = nearest(key, Settings.model_fields)
            raise ConfigError(f"{source}: there is no setting '{key}'.{hint}", param=key)


def _sources(
    flags: Mapping[str, Any], env: Mapping[str, Any], file: Mapping[str, Any], path: Path | None
) -> dict[str, str]:
    """Return where each set key came from, in words."""
    return (
        {key: str(path) for key in file}
        | {key: f"the variable {ENV_PREFIX}{key.upper()}" for key in env}
        | {key: f"the flag --{key.replace('_', '-')}" for key in flags}
    )


def _config_error(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors(include_url=False)[0]
    key = str(first["loc"][0]) if first["loc"] else "settings"
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = first["input"]
    shown = "for ever" if value == math.inf else repr(value)
    return ConfigError(
        f"{key} = {shown} (from {sources.get(key, 'the defaults')}): {reason}", param=key
    )
