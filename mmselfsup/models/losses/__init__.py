"""Loss formulas as pure functions."""

from .info_nce import info_nce
from .nt_xent import pair_similarities

__all__ = ["info_nce", "pair_similarities"]
