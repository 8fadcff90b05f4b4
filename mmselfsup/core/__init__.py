"""The training loop: runners, hooks, optimizers and checkpoints."""

from . import hooks, optimizer, runner
from .hooks import *  # noqa: F403
from .optimizer import *  # noqa: F403
from .runner import *  # noqa: F403

__all__ = ["hooks", "optimizer"]
__all__ += hooks.__all__
__all__ += optimizer.__all__
__all__ += runner.__all__
