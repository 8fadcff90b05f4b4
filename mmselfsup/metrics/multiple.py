"""Several tests at once."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of tests, in the given order.

    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure": the k-th smallest of m is
    multiplied by m - k + 1, and is at least the one before it. A pair whose corrected value is
    below 0.05 belongs to a set of claims of which any is wrong with a probability below 0.05.

    Args:
        p_values: Each 0 to 1.

    Returns:
        Values of 0 to 1, each at least the given one.
    """
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected
