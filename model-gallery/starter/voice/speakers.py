"""The four speakers, as variants of the American English voice of espeak-ng."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Speaker:
    """A speaker: pitch range in Hz, and frequency, height and width of the formants in percent."""

    name: str
    gender: str
    lowest: int
    highest: int
    formants: tuple[tuple[int, int, int], ...]
    extra: tuple[str, ...] = ()

    def variant(self) -> str:
        """Return the variant file for espeak-ng, without flutter, roughness, breath and echo."""
        lines = ["language variant", f"name {self.name}", f"gender {self.gender}"]
        lines += [f"pitch {self.lowest} {self.highest}", "flutter 0", "roughness 0"]
        for number, (frequency, height, width) in enumerate(self.formants):
            lines.append(f"formant {number} {frequency} {height} {width}")
        return "\n".join([*lines, *self.extra]) + "\n"

    @property
    def middle(self) -> float:
        """Return about the middle of the pitch in Hz."""
        return float((self.lowest * self.highest) ** 0.5)


def _formants(frequency: int, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
    return tuple((frequency, height, width) for _ in range(9))


SPEAKERS = (
    Speaker("ada", "female", 150, 225, _formants(113, 92, 110)),
    Speaker("ben", "male", 85, 130, _formants(100, 100, 100)),
    Speaker("cleo", "female", 180, 260, _formants(120, 85, 120)),
    Speaker("dan", "male", 68, 105, _formants(93, 95, 100)),
)
