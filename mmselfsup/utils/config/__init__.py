"""Checking configs: an unknown key anywhere is an error that names the nearest valid one.

And writing them as text.
"""

from .check import check_config
from .text import config_text

__all__ = ["check_config", "config_text"]
