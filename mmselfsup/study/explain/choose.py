"""Choice of the test images that are shown: only their class and right or wrong matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EACH = 4  # right answers, and as many wrong ones


def choose_cases(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], seed: int, each: int = EACH
) -> list[int]:
    """Return images drawn from a classifier's right answers, then from its wrong ones.

    The images are shuffled; of each kind the first one of every class comes first, then the second
    of every class, and so on, until there are enough.

    Args:
        labels: [N], true classes.
        predicted: [N], predicted classes.
        seed: Seed of the shuffling.
        each: Number of images of each kind, if there are as many.

    Returns:
        Indices: the right ones, then the wrong ones, each in the order of their classes.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen: list[int] = []
    for kind in (labels == predicted, labels != predicted):
        members = [int(i) for i in order if kind[i]]
        seen: dict[int, int] = {}
        rounds = []
        for i in members:
            label = int(labels[i])
            # 0 for the first image of a class, 1 for its second, ...
            rounds.append(seen.setdefault(label, 0))
            seen[label] += 1
        taken = sorted(range(len(members)), key=lambda n: rounds[n])[:each]
        chosen += sorted((members[n] for n in taken), key=lambda i: (int(labels[i]), i))
    return chosen
