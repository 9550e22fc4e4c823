"""Who can speak: the file's own speakers, OpenAI's voices and those that the card names."""

from __future__ import annotations

from collections.abc import Mapping

from localai.errors import InvalidRequest, LoadFailed, nearest
from localai.protocol.audio import OPENAI_VOICES

_MOST_LISTED = 40
"""Some voices have hundreds of speakers."""


class Voices:
    """Which speaker each name of a voice stands for."""

    def __init__(
        self,
        speakers: Mapping[str, int],
        count: int,
        *,
        named: Mapping[str, str | int],
        default: str | None,
    ) -> None:
        """Name `count` speakers, `speakers` by the file and `named` by the card.

        Raises LoadFailed for a speaker that the file does not have.
        """
        self._numbers = _speaker_names(speakers, count)
        spread = {name: i % count for i, name in enumerate(OPENAI_VOICES)}
        card = {name: self._speaker(name, speaker) for name, speaker in named.items()}
        # The file's own names are stronger than OpenAI's, and the card's are the strongest.
        self._voices = spread | self._numbers | card
        if default is not None and default not in self._voices:
            raise LoadFailed(
                f"options.voice: there is no voice '{default}'. {self._known(default)}"
            )
        self._default = default

    def names(self) -> list[str]:
        """Return all names, the card's and the file's before OpenAI's."""
        openai = [name for name in OPENAI_VOICES if name in self._voices]
        return [*(name for name in self._voices if name not in openai), *openai]

    def speaker(self, name: str | None) -> int | None:
        """Return the number of the speaker, None for the file's default one.

        Raises InvalidRequest for a name that nobody has.
        """
        chosen = name or self._default
        if chosen is None:
            return None
        if chosen not in self._voices:
            raise InvalidRequest(
                f"There is no voice '{chosen}'. {self._known(chosen)}", param="voice"
            )
        return self._voices[chosen]

    def _speaker(self, voice: str, speaker: str | int) -> int:
        number = self._numbers.get(str(speaker))
        if isinstance(speaker, int) and not isinstance(speaker, bool):
            number = speaker if speaker in self._numbers.values() else None
        if number is None:
            have = ", ".join(list(self._numbers)[:_MOST_LISTED])
            raise LoadFailed(
                f"options.voices: '{voice}' stands for the speaker '{speaker}', but the file has "
                f"{have}."
            )
        return number

    def _known(self, wrong: str) -> str:
        names = self.names()
        more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
        listed = ", ".join(names[:_MOST_LISTED])
        return f"It can be one of {listed}{more}.{nearest(wrong, names)}"


def _speaker_names(speakers: Mapping[str, int], count: int) -> dict[str, int]:
    """Return every speaker by its name, or by its number where it has none."""
    nameless = set(range(count)) - set(speakers.values())
    return dict(speakers) | {str(number): number for number in sorted(nameless)}
