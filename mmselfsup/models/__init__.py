"""Algorithms, backbones, necks, heads, and the registry that builds them.

Importing this package registers every module, mmcls's (``mmcls.X``) included.
"""

from . import mmcls_import  # noqa: F401  # before any part of mmcls
from .algorithms import *  # noqa: F403
from .backbones import *  # noqa: F403
from .builder import (
    ALGORITHMS,
    BACKBONES,
    HEADS,
    MEMORIES,
    MODELS,
    NECKS,
    build_algorithm,
    build_backbone,
    build_head,
    build_memory,
    build_neck,
)
from .heads import *  # noqa: F403
from .memories import *  # noqa: F403
from .necks import *  # noqa: F403

__all__ = [
    "ALGORITHMS",
    "BACKBONES",
    "HEADS",
    "MEMORIES",
    "MODELS",
    "NECKS",
    "build_algorithm",
    "build_backbone",
    "build_head",
    "build_memory",
    "build_neck",
]
