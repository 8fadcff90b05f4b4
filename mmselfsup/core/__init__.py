"""What drives the training: runners, hooks, optimizers, checkpoints."""

from .optimizer import (
    LARS,
    DefaultOptimizerConstructor,
    TransformerFinetuneConstructor,
    build_optimizer,
)
from .runner import EpochBasedRunner, IterBasedRunner
