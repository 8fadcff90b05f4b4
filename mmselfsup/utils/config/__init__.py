"""Checking configs: an unknown key anywhere is an error that names the nearest valid one."""

from .check import check_config

__all__ = ["check_config"]
