"""Interpretation of the occlusion test in plain words."""

from __future__ import annotations

from mmselfsup.evaluation.explanation_files import AS_IS, HIDDEN, ONLY, OcclusionScores


def interpretation(title: str, occlusion: OcclusionScores) -> str:
    """Return what the scores mean, and no more than their intervals allow.

    Args:
        title: Name of the classifier.
        occlusion: Its scores.
    """
    chance = occlusion.chance
    whole, hidden, only = (occlusion.views[view] for view in (AS_IS, HIDDEN, ONLY))
    name = title[0].upper() + title[1:]
    if whole.balanced_low <= chance:
        return f"{name} is not surely better than chance on whole images: hiding shows nothing."
    lead = whole.balanced_accuracy - chance
    # Of the lead over chance, the fractions that either view has.
    hidden_lead, only_lead = (
        max((view.balanced_accuracy - chance) / lead, 0.0) for view in (hidden, only)
    )
    if hidden.balanced_low > chance:
        text = (
            f"{name} keeps {hidden_lead:.0%} of its lead over chance with the lesion hidden: that "
            "comes from what lies around it (skin, hair, marks, light, the outline of the hole)."
        )
    else:
        text = (
            f"{name} with the lesion hidden is no longer surely better than chance: nothing shows "
            "that it uses more than the lesion."
        )
    return f"{text} From the lesion alone it has {only_lead:.0%} of the lead."
