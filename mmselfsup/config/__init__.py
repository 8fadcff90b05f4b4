"""Checks of configs, and configs as text.

An unknown key anywhere in a config is an error that names the nearest valid one.
"""

from .check import check_config
from .text import config_text

__all__ = ["check_config", "config_text"]
