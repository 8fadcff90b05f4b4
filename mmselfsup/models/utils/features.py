"""The format of features between backbone, neck and head: one entry for each stage."""

from collections.abc import Sequence
from typing import Any

from mmselfsup.utils.errors import ArgumentError


def only_feature(features: Sequence[Any], owner: object) -> Any:
    """Return the single entry of ``features``.

    Args:
        features: The output of a backbone or neck.
        owner: The module that needs a single entry; the error names its class.

    Raises:
        ArgumentError: The number of entries is not 1.
    """
    if len(features) != 1:
        raise ArgumentError(
            f"{type(owner).__name__} takes the features of one stage, got {len(features)}: give "
            "the backbone a single entry in out_indices"
        )
    return features[0]
