"""What a method needs by published experience, so that a user is told before days of training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """What a method needs; a class of an algorithm states it as ``needs``.

    Attributes:
        images: Images below which a training from random weights is known to give poor features;
            0 for no such number.
        batch: Images of a step, over all processes, below which it is known to be worse.
        why: The source of these numbers.
        instead: What to do with fewer.
    """

    images: int = 0
    batch: int = 0
    why: str = ""
    instead: str = ""
