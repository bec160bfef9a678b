"""How many calls one endpoint may have under way: cut once per episode of refusals, recovered within round trips.

× 0.8 per episode as in inspect_ai, with a remembered ceiling as in DataDesigner.
"""

import math
import time
from typing import Final

_CUT: Final = 0.8

_NEAR: Final = 0.9
"""Share of the remembered ceiling up to which the way back is quick."""


class Limit:
    """Calls allowed at once, between two (one, if no more are wanted) and `most`."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._least = min(2.0, self._most)
        self._value = self._most
        self._ceiling = self._most
        self._cut_at = -math.inf

    def __int__(self) -> int:
        return math.floor(self._value)

    def refused(self, started: float) -> bool:
        """A call that began at `started` (monotonic seconds) met a rate limit; whether that cut the limit.

        Calls that were under way when the limit was cut belong to the same burst: they tell nothing new. How long
        the server asks to wait plays no part, or a long wait would end all cutting.
        """
        if started <= self._cut_at:
            return False
        self._cut_at = time.monotonic()
        self._ceiling = self._value
        self._value = max(self._least, self._value * _CUT)
        return True

    def answered(self) -> None:
        """A call was answered: grow by a call per answer up to near where it was cut, by one per round trip beyond."""
        step = 1.0 if self._value < _NEAR * self._ceiling else 1.0 / self._value
        self._value = min(self._most, self._value + step)
