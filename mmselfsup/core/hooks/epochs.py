"""Whether a runner counts epochs; hooks that act between them say so where it does not."""

from typing import Any

from mmselfsup.utils.errors import UserError


def counts_epochs(runner: Any) -> bool:
    """Whether a runner counts epochs; else it counts iterations."""
    return getattr(runner, "max_epochs", 0) is not None


def needs_epochs(
    runner: Any, hook: Any, advice: str = "use runner.type='EpochBasedRunner'"
) -> None:
    """See that the runner counts epochs: one that counts iterations never calls the hook.

    Args:
        runner: the runner of the training.
        hook: the hook that acts between epochs; its class is named in the error.
        advice: what to do.

    Raises:
        UserError: the runner has no epochs.
    """
    if not counts_epochs(runner):
        raise UserError(f"{type(hook).__name__}: this runner has no epochs; {advice}")
