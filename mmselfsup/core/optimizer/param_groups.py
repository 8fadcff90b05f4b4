"""Parameter groups from regular expressions over parameter names.

Parameters whose options are equal share a group, so that the optimizer can update them at once.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from mmselfsup.utils.errors import UserError

Options = Mapping[str, Mapping[str, Any]]


def check_options(options: Options) -> None:
    """Check that every key is a regular expression.

    Raises:
        UserError: a key is no regular expression.
    """
    for pattern in options:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"optimizer.paramwise_options: {pattern!r} is no regular expression ({error})"
            ) from error


def options_of(name: str, options: Options, base: Mapping[str, Any]) -> dict[str, Any]:
    """What ``options`` say about the parameter ``name``.

    Every expression found anywhere in the name counts, a later one over an earlier one. A key
    ``lr_mult`` (``weight_decay_mult``, ...) multiplies the value in ``base``.

    Raises:
        UserError: a multiplier for a value that the optimizer config doesn't state.
    """
    found: dict[str, Any] = {}
    for pattern, values in options.items():
        if not isinstance(values, Mapping) or not re.search(pattern, name):
            continue
        for key, value in values.items():
            if key.endswith("_mult"):
                target = key[: -len("_mult")]
                if target not in base:
                    raise UserError(
                        f"optimizer.paramwise_options[{pattern!r}].{key} multiplies {target}, "
                        f"which the optimizer config doesn't state; add optimizer.{target}"
                    )
                found[target] = base[target] * value
            else:
                found[key] = value
    return found


def group_parameters(
    model: nn.Module,
    options: Options,
    base: Mapping[str, Any],
    lr_scale: Callable[[str], float] | None = None,
) -> list[dict[str, Any]]:
    """The parameter groups of ``model``, in the order in which they first occur.

    Args:
        model: the bare model. Frozen parameters stand in the group without options.
        options: regular expression over parameter names -> options of the optimizer's group.
        base: the optimizer config, for multipliers.
        lr_scale: what the learning rate of a parameter is multiplied by, from its name.
    """
    check_options(options)
    groups: dict[str, dict[str, Any]] = {}
    for name, param in model.named_parameters():
        own = options_of(name, options, base) if param.requires_grad else {}
        if lr_scale is not None and param.requires_grad:
            own["lr"] = own.get("lr", base["lr"]) * lr_scale(name)
        key = repr(sorted(own.items()))
        groups.setdefault(key, {"params": [], **own})["params"].append(param)
    return list(groups.values())
