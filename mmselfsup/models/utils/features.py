"""What travels from a backbone to a neck or head: a sequence with one entry for each stage."""

from collections.abc import Sequence
from typing import Any

from ...utils.errors import ArgumentError


def only_feature(features: Sequence[Any], owner: object) -> Any:
    """The single entry of ``features``.

    Args:
        features: What a backbone or neck returned.
        owner: The module that can use one entry only; its class is named in the error.

    Raises:
        ArgumentError: There is not exactly one entry.
    """
    if len(features) != 1:
        raise ArgumentError(
            f"{type(owner).__name__} takes the features of one stage, got {len(features)}: give "
            "the backbone a single entry in out_indices"
        )
    return features[0]
