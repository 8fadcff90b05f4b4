"""Memory banks: a feature, and for ODC a label, stored for every training image."""

from .odc_memory import ODCMemory
from .simple_memory import SimpleMemory

__all__ = ["ODCMemory", "SimpleMemory"]
