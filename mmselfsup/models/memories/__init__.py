"""Memory banks: what a method remembers of every training image."""

from .odc_memory import ODCMemory
from .simple_memory import SimpleMemory

__all__ = ["ODCMemory", "SimpleMemory"]
