"""How much of the person stays, for the anonymizers that lay another face over a face.

| mode | shape | jaw | hair and hats over the forehead |
|---|---|---|---|
| `natural` | the other face's, with the person's pose and expression | seven tenths the other's | kept |
| `strict` | the same, with less of the person | the other's | covered |

Where the release gate refuses a face, others are drawn for it, and then `natural` goes on to `strict`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from veilmesh_ml.anonymizers.anonymizer import Parameter
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.surrogate.replacement import Setting


class Mode(StrEnum):
    NATURAL = "natural"
    STRICT = "strict"


_STRICT: Final = Setting(caution=60.0, suitable=60, jaw=1.0, keeps_hair=False, keeps_obstacles=False)
_SETTINGS: Final = {  # in the order of attempts
    Mode.NATURAL: (Setting(caution=20.0, suitable=40, jaw=0.7), _STRICT),
    Mode.STRICT: (_STRICT,),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One of a mode's attempts.

    Attributes:
        setting: of the mode, for this attempt.
        draw: 0 for the first face drawn with this setting.
        parameters: which attempt it is, for `AnonymizedImage`.
    """

    setting: Setting
    draw: int
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True)
class Attempts:
    """A mode's attempts, in their order: so many draws for each of its settings."""

    mode: Mode
    draws: int

    @classmethod
    def of(cls, mode: str, draws: int) -> Self:
        """Begin with a mode's name.

        Raises:
            ParameterError: there is no such mode.
        """
        try:
            return cls(Mode(mode), draws)
        except ValueError:
            raise ParameterError(f"mode {mode!r} is none of {', '.join(Mode)}") from None

    def __len__(self) -> int:
        return self.draws * len(_SETTINGS[self.mode])

    def __getitem__(self, attempt: int) -> Attempt:
        place, draw = divmod(attempt, self.draws)
        parameters: dict[str, Parameter] = {"mode": str(self.mode), "setting": place, "draw": draw}
        return Attempt(_SETTINGS[self.mode][place], draw, parameters)
