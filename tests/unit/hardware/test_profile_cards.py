"""The cards of the all-in-one images: complete, correct, and answered by a starter until then."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.catalog import Catalog
from localai.cards.model_files import has_its_files
from localai.errors import ConfigError
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import read_manifests
from localai.settings import (
    PROFILES,
    builtin_backends_folder,
    builtin_cards_folder,
    catalog_folders,
    load_settings,
    profile_folder,
)

PROMISED = {
    "gpt-4": (Capability.CHAT, "starter-chat"),
    "gpt-3.5-turbo": (Capability.CHAT, "starter-chat"),
    "gpt-4o": (Capability.VISION, "starter-chat"),
    "gpt-4-vision-preview": (Capability.VISION, "starter-chat"),
    "text-embedding-ada-002": (Capability.EMBEDDING, "starter-embedding"),
    "whisper-1": (Capability.TRANSLATION, "starter-whisper"),
    "silero-vad": (Capability.VOICE_ACTIVITY, "starter-whisper"),
    "tts-1": (Capability.SPEECH, "starter-voice"),
    "stablediffusion": (Capability.IMAGE, "starter-image"),
    "dall-e-3": (Capability.IMAGE_EDIT, "starter-image"),
}
HABITS = {
    "gpt-4.1": Capability.VISION,
    "gpt-5-mini": Capability.CHAT,
    "gpt-3.5-turbo-instruct": Capability.COMPLETION,
    "text-embedding-3-small": Capability.EMBEDDING,
    "gpt-image-1": Capability.IMAGE,
    None: Capability.CHAT,
}


def catalog(*folders: Path) -> Catalog:
    found = Catalog([builtin_cards_folder(), *folders], read_manifests(builtin_backends_folder()))
    found.refresh()
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_every_promised_name_has_a_card_and_a_starter_in_its_place(profile: str) -> None:
    cards = catalog(profile_folder(profile))

    assert cards.errors() == []
    for name, (capability, starter) in PROMISED.items():
        card = cards.resolve(name, capability)
        assert card.path.parent == profile_folder(profile)
        assert not has_its_files(card)
        assert cards.stand_in(card, capability).name == starter


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_models_are_the_defaults(profile: str) -> None:
    cards = catalog(profile_folder(profile))

    for name, capability in HABITS.items():
        assert cards.resolve(name, capability).path.parent == profile_folder(profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_models_come_from_the_hub_with_each_file_named_once(profile: str) -> None:
    cards = [c for c in catalog(profile_folder(profile)).cards() if c.card.fallback]

    for card in cards:
        assert str(card.card.model).startswith("hf://")
        uris = [file.uri for file in card.card.files]
        assert len(set(uris)) == len(uris)
        if uris:
            assert {card.card.model, card.options.get("mmproj") or card.card.model} <= set(uris)
        assert all(file.path == file.uri.rpartition("/")[2] for file in card.card.files)


def test_embeddings_are_the_same_everywhere() -> None:
    cards = [catalog(profile_folder(p)).find("text-embedding-ada-002").card for p in PROFILES]

    assert len({card.model for card in cards}) == 1


def test_the_users_own_card_wins(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: gpt-4\nbackend: echo\n", "utf-8")
    cards = catalog(profile_folder("cpu"), tmp_path)

    assert cards.resolve("gpt-4", Capability.CHAT).path == tmp_path / "mine.yaml"
    assert cards.errors() == []


def test_a_profile_is_a_folder_between_the_starters_and_the_users(tmp_path: Path) -> None:
    settings = load_settings(models=tmp_path, profile="gpu-8g")

    assert catalog_folders(settings) == [
        builtin_cards_folder(), profile_folder("gpu-8g"), tmp_path,
    ]  # fmt: skip
    assert catalog_folders(load_settings(models=tmp_path, profile="")) == [
        builtin_cards_folder(), tmp_path,
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="'auto' is not chosen yet"):
        catalog_folders(load_settings(models=tmp_path, profile="auto"))


def test_profile_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALAI_PROFILE", raising=False)
    monkeypatch.setenv("PROFILE", "gpu-8g")
    assert load_settings().profile == "gpu-8g"
    monkeypatch.setenv("LOCALAI_PROFILE", "cpu")
    assert load_settings().profile == "cpu"
    monkeypatch.setenv("LOCALAI_PROFILE", "gpu")
    with pytest.raises(ConfigError, match=r"profile = 'gpu' \(from the variable LOCALAI_PROFILE\)"):
        load_settings()
    monkeypatch.delenv("LOCALAI_PROFILE")
    monkeypatch.setenv("PROFILE", "release")  # another program's
    assert load_settings().profile is None
