from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from localai.errors import ConfigError
from localai.settings import (
    ENV_PREFIX,
    Settings,
    backend_folders,
    builtin_backends_folder,
    builtin_cards_folder,
    catalog_folders,
    check_folders,
    default_models_folder,
    displayed_default,
    ensure_folders,
    load_settings,
)

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) or name in {"PROFILE", "MODELS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "localai.yaml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.keep_alive) == ("127.0.0.1", 8080, 300)
    assert settings.models == tmp_path / "data/localai/models"
    assert settings.default_models() == {}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_variable_is_as_good_as_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_settings()
    monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", "")
    assert load_settings() == expected


def test_flags_win_over_variables_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, "port: 1\nhost: file\nlog_level: debug\n")
    monkeypatch.setenv("LOCALAI_PORT", "2")
    monkeypatch.setenv("LOCALAI_HOST", "env")

    settings = load_settings(path, port="3", host=None)

    assert (settings.port, settings.host, settings.log_level) == (3, "env", "debug")


def test_variables_hold_folders_like_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_BACKENDS", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAI_MODELS", "~/models")

    settings = load_settings()

    assert settings.backends == (tmp_path / "a", tmp_path / "b")
    assert settings.models == tmp_path / "models"


def test_paths_in_a_file_start_at_the_file(tmp_path: Path) -> None:
    settings = load_settings(config(tmp_path, "models: m\nbackends: [b, /c]\nruntime_dir: r\n"))

    assert settings.models == tmp_path / "m"
    assert settings.backends == (tmp_path / "b", Path("/c"))
    assert settings.runtime_dir == tmp_path / "r"


def test_spans_are_written_as_in_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(keep_alive="1h").keep_alive == 3600
    monkeypatch.setenv("LOCALAI_KEEP_ALIVE", "-1")
    assert load_settings().keep_alive == math.inf


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(
    "name",
    [
        "max_body_mib", "max_upload_mib", "max_media_mib", "media_timeout", "drain_timeout",
        "load_cooldown", "reload_interval",
    ],
)  # fmt: skip
def test_numbers_have_an_end(name: str, value: str) -> None:
    flags: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError) as caught:
        load_settings(**flags)
    assert caught.value.param == name


def test_public_url_is_an_address_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(public_url="https://a.b/c").public_url == "https://a.b/c"
    with pytest.raises(ConfigError, match="should begin with http:// or https://"):
        load_settings(public_url="ai.example.com")
    monkeypatch.setenv("LOCALAI_PUBLIC_URL", "")
    assert load_settings().public_url is None


def test_levels_may_be_written_in_capitals() -> None:
    assert load_settings(log_level="WARNING").log_level == "warning"


def test_default_models_are_those_that_are_set() -> None:
    settings = load_settings(default_chat="qwen")

    assert settings.default_models() == {"chat": "qwen"}


@pytest.mark.parametrize("text", ["prot: 1\n", "Port: 1\n"])
def test_an_unknown_key_names_the_file_and_the_nearest(tmp_path: Path, text: str) -> None:
    path = config(tmp_path, text)

    with pytest.raises(ConfigError, match=r"there is no setting 'P?p?\w+'. Did you mean") as caught:
        load_settings(path)
    assert str(path) in caught.value.message
    assert "'port'" in caught.value.message


def test_an_unknown_flag_is_an_error() -> None:
    with pytest.raises(ConfigError, match="there is no setting 'prot'"):
        load_settings(prot=1)


@pytest.mark.parametrize("value", ["x", "70000", "-1"])
def test_a_bad_value_names_key_value_and_flag(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(port=value)
    assert caught.value.param == "port"
    assert caught.value.message.startswith(f"port = {value!r} (from the flag --port): ")


def test_a_bad_value_names_the_variable_or_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, "keep_alive: soon\n")
    with pytest.raises(ConfigError, match=re.escape(f"keep_alive = 'soon' (from {path})")):
        load_settings(path)
    monkeypatch.setenv("LOCALAI_LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match=r"log_level = 'loud' \(from the variable LOCALAI_LOG_"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n", "must hold `setting: value` lines"), ("a: [\n", "is not valid YAML")],
)
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(config(tmp_path, text))


def test_a_missing_file_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.yaml")
    assert load_settings(config(tmp_path, "")).port == 8080


def test_settings_are_frozen() -> None:
    settings = load_settings()

    with pytest.raises(ValidationError):
        settings.port = 1


def test_the_default_folder_is_created_and_others_must_exist(tmp_path: Path) -> None:
    ensure_folders(load_settings())
    assert default_models_folder().is_dir()

    with pytest.raises(ConfigError, match="does not exist: create it"):
        ensure_folders(load_settings(models=tmp_path / "none"))
    with pytest.raises(ConfigError, match="backends: the folder"):
        ensure_folders(load_settings(backends=(tmp_path / "none",)))
    (tmp_path / "there").mkdir()
    ensure_folders(load_settings(models=tmp_path / "there", backends=(tmp_path / "there",)))


def test_a_default_folder_that_cannot_be_created_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the way")

    with pytest.raises(ConfigError, match="give another one with --models"):
        ensure_folders(load_settings())


def test_built_in_folders_come_first(tmp_path: Path) -> None:
    settings = load_settings(models=tmp_path, backends=(tmp_path,))

    assert (builtin_backends_folder() / "echo" / "backend.yaml").is_file()
    assert (builtin_cards_folder() / "echo.yaml").is_file()
    assert catalog_folders(settings) == [builtin_cards_folder(), tmp_path]
    assert backend_folders(settings) == [builtin_backends_folder(), tmp_path]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_in_the_docs(name: str) -> None:
    description = Settings.model_fields[name].description
    default = displayed_default(name)
    shown = f"`{default}`" if default else ""
    row = f"| `{name}` | `{ENV_PREFIX}{name.upper()}` | {shown} | {description} |"

    assert row.replace("|  |", "| |") in PAGE.read_text("utf-8").splitlines()


def test_models_to_preload_are_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().preload == ()
    assert load_settings(config(tmp_path, "preload: [a, 'b,c']\n")).preload == ("a", "b,c")
    monkeypatch.setenv("LOCALAI_PRELOAD", " a, hf://b/c:Q4;d ;")
    assert load_settings().preload == ("a", "hf://b/c:Q4", "d")


def test_models_by_habit_count_last_and_only_where_none_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS", "a,b")
    assert load_settings().preload == ("a", "b")
    assert load_settings(config(tmp_path, "preload: [c]\n")).preload == ("c",)
    monkeypatch.setenv("LOCALAI_PRELOAD", "d")
    assert load_settings().preload == ("d",)
    monkeypatch.delenv("LOCALAI_PRELOAD")
    monkeypatch.setenv("MODELS", f"a,{tmp_path}")
    assert load_settings().preload == ()


def test_a_socket_is_a_path_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(config(tmp_path, "socket: s\n")).socket == tmp_path / "s"
    monkeypatch.setenv("LOCALAI_SOCKET", "")
    assert load_settings().socket is None


def test_a_model_in_the_place_of_the_folder_is_hinted_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in ("qwen3-4b", "hf://org/repo"):
        monkeypatch.setenv("LOCALAI_MODELS", value)
        with pytest.raises(ConfigError, match="are named in LOCALAI_PRELOAD"):
            check_folders(load_settings())
    monkeypatch.setenv("LOCALAI_MODELS", "./models")
    with pytest.raises(ConfigError, match=r"with --models$"):
        check_folders(load_settings())
