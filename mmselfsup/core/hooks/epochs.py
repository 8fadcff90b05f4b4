"""Checks whether a runner counts epochs, for hooks that act between them."""

from typing import Any

from mmselfsup.utils.errors import UserError


def counts_epochs(runner: Any) -> bool:
    """Return whether the runner counts epochs; otherwise it counts iterations."""
    return getattr(runner, "max_epochs", 0) is not None


def needs_epochs(
    runner: Any, hook: Any, advice: str = "use runner.type='EpochBasedRunner'"
) -> None:
    """Check that the runner counts epochs: one that counts iterations never calls the hook.

    Args:
        runner: The runner of the training.
        hook: The hook that acts between epochs; the error names its class.
        advice: What the user can do.

    Raises:
        UserError: The runner has no epochs.
    """
    if not counts_epochs(runner):
        raise UserError(f"{type(hook).__name__}: this runner has no epochs; {advice}")
