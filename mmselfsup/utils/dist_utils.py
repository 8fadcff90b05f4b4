"""The import path that MMSelfSup 0.x had for the seed of all ranks."""

from .seed import init_random_seed


def sync_random_seed(seed: int | None = None, device: str | None = "cuda") -> int:
    """Return the same seed on all ranks: ``seed``, or one drawn by the first rank."""
    return init_random_seed(seed, device)


__all__ = ["sync_random_seed"]
