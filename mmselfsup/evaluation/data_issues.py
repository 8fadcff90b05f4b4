"""Issues of a data set, ranked by the features of a network: duplicates, off-topic, wrong labels.

Gröger et al. 2023, "Intrinsic Self-Supervision for Data Quality Audits" (SelfClean,
arXiv 2305.17048): features of a self-supervised network, cosine distances, and one score for each
kind of issue, so that a person looks at the first images of a ranking. Nothing is removed.

Differences from the paper: images of the same group (lesion) are ranked apart as duplicates, and
are no evidence for a label, because they share it by definition. The score of off-topic images
follows the paper's idea (single-linkage clustering; what joins late and in a small cluster is off
topic) with a formula of its own, see ``off_topic_scores``.

Letters: N images, D width, K neighbours, B images at a time, P pairs, R entries of a ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted, plural
from mmselfsup.utils.progress import progress

from .features import check_finite
from .tsne import unit_length

NO_LABEL = -1
#: Number of distances in memory at a time: 32 MiB of float32, and masks as large.
_MAX_DISTANCES = 2**23
_COLLAPSED = 1e-6  # features that differ by less are all the same


@dataclass(frozen=True)
class Distances:
    """The smallest cosine distances (1 - cosine, 0..2) of each image to others.

    An entry that does not exist has an infinite distance, and its index means nothing.

    Attributes:
        across: Distances to the K nearest images of other groups, [N, K], ascending.
        across_index: Their indices, [N, K].
        within: Distances to the K nearest images of the same group, [N, K], ascending.
        within_index: Their indices, [N, K].
        same: Distance to the nearest image of the same label and another group, [N].
        same_index: Its index, [N].
        other: Distance to the nearest image of another label and another group, [N].
        other_index: Its index, [N].
    """

    across: NDArray[np.float32]
    across_index: NDArray[np.int64]
    within: NDArray[np.float32]
    within_index: NDArray[np.int64]
    same: NDArray[np.float32]
    same_index: NDArray[np.int64]
    other: NDArray[np.float32]
    other_index: NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, nearest first.

    Attributes:
        index: Indices of both images, the smaller one first, [P, 2].
        distance: Cosine distances of their features, [P].
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float32]


def group_numbers(groups: Sequence[str] | None, num: int) -> NDArray[np.int64]:
    """Return a number [N] for the group of each image; one without a group (``''``) is alone.

    Args:
        groups: Name of the group of each image, [N]; None where none is known.
        num: N.
    """
    if groups is None:
        return np.arange(num)
    names = {name: i for i, name in enumerate(dict.fromkeys(g for g in groups if g))}
    alone = iter(range(len(names), len(names) + num))
    return np.array([names[g] if g else next(alone) for g in groups], dtype=np.int64)


def check_features(features: NDArray[np.float32], num_neighbours: int) -> None:
    """Check that distances between features [N, D] rank anything.

    Raises:
        UserError: They are no table of numbers, not finite, all the same, or there are not more
            images than neighbours.
    """
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise UserError(f"features must be numbers [N, D], got {features.dtype} {features.shape}")
    check_finite(features)
    if len(features) < 2:
        number = counted(len(features), "image")
        raise UserError(f"there {plural(len(features), 'is', 'are')} {number}: nothing to compare")
    if not 1 <= num_neighbours < len(features):
        raise UserError(
            f"--neighbours {num_neighbours}: there are {len(features)} images, give a number from "
            f"1 to {len(features) - 1}"
        )
    if float(np.ptp(unit_length(features), axis=0).max()) < _COLLAPSED:
        raise UserError(
            f"all {len(features)} images have the same features: the network has collapsed, take "
            "other weights"
        )


@torch.no_grad()
def nearest_distances(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    num_neighbours: int = 10,
    device: torch.device | str = "cpu",
) -> Distances:
    """Return the smallest distances of each image, computed in parts: no matrix [N, N] is stored.

    Args:
        features: Features [N, D]; they need not have unit length.
        labels: Labels [N], -1 where there is none.
        groups: Number of each image's group, [N].
        num_neighbours: K, 1 to N - 1.
        device: Device of the computation.

    Raises:
        UserError: See ``check_features``.
    """
    check_features(features, num_neighbours)
    units = torch.from_numpy(unit_length(features)).to(device)  # [N, D]
    label, group = (torch.from_numpy(x).to(device) for x in (labels, groups))
    parts: list[tuple[Tensor, ...]] = []
    rows = max(1, _MAX_DISTANCES // len(units))
    starts = range(0, len(units), rows)
    for start in progress(starts, desc="distances", unit="part"):
        part = slice(start, start + rows)
        distance = (1 - units[part] @ units.T).clamp_min_(0)  # [B, N]
        distance[:, part].fill_diagonal_(torch.inf)  # an image is no neighbour of itself
        alike = group[part, None] == group[None]  # [B, N]
        known = (label[part, None] >= 0) & (label[None] >= 0) & ~alike
        equal = label[part, None] == label[None]
        across = distance.masked_fill(alike, torch.inf).topk(num_neighbours, largest=False)
        within = distance.masked_fill(~alike, torch.inf).topk(num_neighbours, largest=False)
        same = distance.masked_fill(~(known & equal), torch.inf).min(dim=1)
        other = distance.masked_fill(~known | equal, torch.inf).min(dim=1)
        found = (*across, *within, *same, *other)
        parts.append(tuple(tensor.cpu() for tensor in found))
    return Distances(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


def near_duplicates(
    distance: NDArray[np.float32], index: NDArray[np.int64], most: int | None = None
) -> Pairs:
    """Return the pairs among the neighbours of images, each once, nearest first.

    The score is the cosine distance of the paper (section 3). A pair is missing only where each of
    its images has K nearer ones.

    Args:
        distance: Distances to K neighbours, [N, K]; infinite ones are no pairs.
        index: Indices of the neighbours, [N, K].
        most: Largest number of pairs; None for all.
    """
    first = np.repeat(np.arange(len(index)), index.shape[1])
    exists = np.isfinite(distance.ravel())
    both = np.sort(np.stack([first, index.ravel()], axis=1)[exists], axis=1)  # [2P or less, 2]
    near = distance.ravel()[exists]
    # Both images may list the pair, with distances that differ by rounding: the smaller one stays.
    order = np.lexsort((both[:, 1], both[:, 0], near))
    both, near = both[order], near[order]
    _, once = np.unique(both, axis=0, return_index=True)
    once = np.sort(once)[:most]
    return Pairs(both[once], near[once])


def label_error_scores(
    same: NDArray[np.float32], other: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return how likely the label of each image is wrong: [N], 0..1.

    The ratio of intra- and extra-class distance, squared (section 3 of the paper; Ho and Basu 2002
    compare classes by such a ratio)::

        score = same^2 / (same^2 + other^2)

    Above 0.5, the nearest image of another label is nearer than that of the own one.

    Args:
        same: Distance to the nearest image of the same label, [N]; infinite where there is none.
        other: Distance to the nearest image of another label, [N].

    Returns:
        The scores; NaN for an image that lacks one of both. 0.5 where both distances are 0.
    """
    near, far = np.square(same, dtype=np.float64), np.square(other, dtype=np.float64)
    total = near + far
    comparable = np.isfinite(total)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(total > 0, near / total, 0.5)
    return np.where(comparable, scores, np.nan)


def off_topic_scores(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far each image is from the rest of the data set: [N], 0..2.

    Single-linkage clustering joins the nearest two clusters again and again. The score of an image
    is the mean height at which it is joined with the others (cophenetic distance c)::

        score_i = sum_j c(i, j) / (N - 1) = sum over the joins of i's cluster A with a cluster B of
                  height(A, B) |B| / (N - 1)

    An image that joins late, alone or in a small cluster, is off topic: at that height it meets
    nearly all others. In the paper the leaves of the same dendrogram are ranked by such joins, too.

    Args:
        features: Features [N, D], finite, N at least 2. Memory is of the order of N, time of
            N^2 D.
    """
    from sklearn.cluster import linkage_tree  # heavy, and only for this score

    units = unit_length(features)
    children, _, num, _, heights = linkage_tree(units, linkage="single", return_distance=True)
    heights = np.square(heights) / 2  # cosine distance of unit vectors
    size = np.ones(2 * num - 1)  # of the clusters: N images, then N - 1 joins
    sums = np.zeros(2 * num - 1)
    for node, ((a, b), height) in enumerate(zip(children, heights, strict=True), num):
        size[node] = size[a] + size[b]
        sums[a], sums[b] = height * size[b], height * size[a]
    for node in range(2 * num - 2, num - 1, -1):  # from the last join down to the images
        sums[children[node - num]] += sums[node]
    return sums[:num] / (num - 1)


@dataclass(frozen=True)
class Retrieval:
    """How well a ranking finds issues that are known.

    Attributes:
        num_planted: Number of known issues.
        top: Number of entries that a person looks at.
        found: Known issues among these.
        recall: ``found / num_planted``, 0..1.
        average_precision: Mean over the known issues of the precision at their rank; one that the
            ranking lacks counts as 0.
    """

    num_planted: int
    top: int
    found: int
    recall: float
    average_precision: float


def retrieval(hits: NDArray[np.bool_], num_planted: int, top: int) -> Retrieval:
    """Return how well a ranking finds known issues.

    Args:
        hits: Whether each entry of the ranking is a known issue, [R], first entry first.
        num_planted: Number of known issues, 1 or more; the ranking may lack some.
        top: Number of entries that a person looks at.
    """
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)  # [R]
    found = int(hits[:top].sum())
    return Retrieval(
        num_planted, top, found, found / num_planted, float(precision[hits].sum()) / num_planted
    )
