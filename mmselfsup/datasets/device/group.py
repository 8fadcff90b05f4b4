"""Twins that are applied as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..pipelines.chance import happens
from .twin import Twin


class Sometimes(Twin):
    """The twin of `RandomAppliedTrans`. Numbers: those of the twins in it."""

    def __init__(self, twins: Sequence[Twin], p: float) -> None:
        self.twins, self.p = twins, p
        self.nothing = tuple(number for twin in twins for number in twin.nothing)

    def draw(self, height: int, width: int) -> tuple[float, ...]:
        if not happens(self.p):
            return self.nothing
        return tuple(number for twin in self.twins for number in twin.draw(height, width))


def leaves(twins: Sequence[Twin], begin: int = 0) -> Iterator[tuple[Twin, int, int]]:
    """All twins that do something, with the place of their numbers."""
    for twin in twins:
        end = begin + len(twin.nothing)
        if isinstance(twin, Sometimes):
            yield from leaves(twin.twins, begin)
        else:
            yield twin, begin, end
        begin = end
