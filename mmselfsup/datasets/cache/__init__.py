"""The decode cache: every image decoded once and stored as bytes that all workers share."""

from .open import open_cache
from .store import ImageStore

__all__ = ["ImageStore", "open_cache"]
