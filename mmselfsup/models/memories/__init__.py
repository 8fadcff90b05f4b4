"""Memory banks: a feature, and for ODC and InterCLR a label, stored for every training image."""

from .interclr_memory import InterCLRMemory
from .odc_memory import ODCMemory
from .simple_memory import SimpleMemory

__all__ = ["InterCLRMemory", "ODCMemory", "SimpleMemory"]
