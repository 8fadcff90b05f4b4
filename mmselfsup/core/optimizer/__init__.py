"""Optimizers and their construction from a config."""

from .builder import build_optimizer
from .constructor import DefaultOptimizerConstructor
from .optimizers import LARS
from .transformer_finetune_constructor import TransformerFinetuneConstructor

__all__ = [
    "LARS",
    "DefaultOptimizerConstructor",
    "TransformerFinetuneConstructor",
    "build_optimizer",
]
