"""What a profile needs of disk and memory, beside what its GPU must have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import yaml
from pydantic import BaseModel, ConfigDict

from localai.amounts import Size, shown_bytes
from localai.cards.model_files import has_its_files
from localai.cards.resolved import ResolvedCard
from localai.settings import AUTO_PROFILE, Settings, profile_folder

NEEDS = "needs.yaml"
"""The file beside the profiles' folders that says what each of them needs."""
_TOLD = 0.95
"""What is sold as 8 GB tells at least so much of it."""


class ProfileNeeds(BaseModel):
    """Bytes: main memory for the largest model, and what each model has to be fetched, at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory: Size
    downloads: Mapping[str, Size]

    def download_bytes(self, missing: Iterable[str]) -> int:
        """Return how much is fetched for the models that are `missing`."""
        return sum(self.downloads.get(name, 0) for name in missing)


def needs_of(profile: str) -> ProfileNeeds:
    """Return what ships with LocalAI about a profile of its own."""
    path = profile_folder(profile).with_name(NEEDS)
    return ProfileNeeds.model_validate(yaml.safe_load(path.read_text("utf-8"))[profile])


def profile_shortages(
    settings: Settings, memory: int, disk: int | None, cards: Iterable[ResolvedCard]
) -> list[str]:
    """Return what this machine is too small for of its profile, as sentences."""
    profile = settings.profile
    if profile is None or profile == AUTO_PROFILE:
        return []
    folder = profile_folder(profile)
    own = (card for card in cards if card.path.parent == folder)
    missing = [card.name for card in own if not has_its_files(card)]
    return shortages(profile, missing, memory, disk)


def shortages(
    profile: str, missing: Collection[str], memory_total: int, disk_free: int | None
) -> list[str]:
    """Return what the machine is too small for, as sentences; `missing` are the models to fetch."""
    needs = needs_of(profile)
    found = []
    # No total was ever told as 0.
    if 0 < memory_total < needs.memory * _TOLD:
        found.append(
            f"The largest model of the profile {profile} needs about {shown_bytes(needs.memory)} "
            f"of memory, and there are {shown_bytes(memory_total)} here"
        )
    size = needs.download_bytes(missing)
    if disk_free is not None and size > disk_free:
        found.append(
            f"The models of the profile {profile} that are not here yet have about "
            f"{shown_bytes(size)}, and {shown_bytes(disk_free)} are free for them"
        )
    return found
