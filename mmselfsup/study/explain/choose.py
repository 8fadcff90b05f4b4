"""Which test images are shown: by a rule that knows of each only its class and right or wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EACH = 4  # images that were told rightly, and as many that were not


def choose_cases(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], seed: int, each: int = EACH
) -> list[int]:
    """Draw images that a classifier gets right, then images that it gets wrong.

    The images are shuffled; of each kind the first one of every class comes first, then the second
    of every class, and so on, until there are enough.

    Args:
        labels: [N], the truth.
        predicted: [N].
        seed: Of the shuffling.
        each: How many of each kind, where there are as many.

    Returns:
        Indices: the right ones, then the wrong ones, each in the order of their classes.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    found: list[int] = []
    for kind in (labels == predicted, labels != predicted):
        members = [int(i) for i in order if kind[i]]
        seen: dict[int, int] = {}
        rounds = []
        for i in members:
            label = int(labels[i])
            rounds.append(seen.setdefault(label, 0))
            seen[label] += 1
        taken = sorted(range(len(members)), key=lambda n: rounds[n])[:each]
        found += sorted((members[n] for n in taken), key=lambda i: (int(labels[i]), i))
    return found
