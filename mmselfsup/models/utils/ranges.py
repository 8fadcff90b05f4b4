"""The check of numbers whose range an argument's text promises."""

from mmselfsup.utils.errors import ArgumentError


def check_at_least(least: float, **values: float) -> None:
    """Check numbers against a lower bound; nan is below any.

    Args:
        least: The bound.
        **values: The numbers by the names of their arguments.

    Raises:
        ArgumentError: One is below it.
    """
    for name, value in values.items():
        if not value >= least:
            raise ArgumentError(f"{name} must be at least {least}, got {value}")
