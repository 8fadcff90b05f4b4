"""What the accuracies without the lesion mean, in plain words."""

from __future__ import annotations

from .files import AS_IS, HIDDEN, ONLY, Blackout


def reading(title: str, blackout: Blackout) -> str:
    """Say what the numbers mean, and no more than their intervals allow.

    Args:
        title: Name of the classifier.
        blackout: Its numbers.
    """
    chance = blackout.chance
    whole, hidden, only = (blackout.views[view] for view in (AS_IS, HIDDEN, ONLY))
    name = title[0].upper() + title[1:]
    if whole.balanced_low <= chance:
        return f"{name} is not surely better than chance on whole images: hiding tells nothing."
    lead = whole.balanced_accuracy - chance
    kept, alone = (max((v.balanced_accuracy - chance) / lead, 0.0) for v in (hidden, only))
    if hidden.balanced_low > chance:
        text = (
            f"{name} keeps {kept:.0%} of its lead over chance with the lesion hidden: that can "
            "be told from what lies around it (skin, hair, marks, light, the outline of the hole)."
        )
    else:
        text = (
            f"{name} with the lesion hidden is no longer surely better than chance: nothing shows "
            "that it knows more than the lesion tells."
        )
    return f"{text} From the lesion alone it has {alone:.0%} of the lead."
