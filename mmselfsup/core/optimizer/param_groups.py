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
        UserError: A key is no regular expression.
    """
    for pattern in options:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"optimizer.paramwise_options: {pattern!r} is no regular expression ({error})"
            ) from error


def options_of(name: str, options: Options, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``options`` set for the parameter ``name``.

    Every expression that matches a part of the name applies, a later one over an earlier one. A key
    ``lr_mult`` (``weight_decay_mult``, ...) multiplies the value in ``base``.

    Raises:
        UserError: An option multiplies a value that the optimizer config doesn't set.
    """
    own: dict[str, Any] = {}
    for pattern, values in options.items():
        if not isinstance(values, Mapping) or not re.search(pattern, name):
            continue
        for key, value in values.items():
            if key.endswith("_mult"):
                target = key[: -len("_mult")]
                if target not in base:
                    raise UserError(
                        f"optimizer.paramwise_options[{pattern!r}].{key} multiplies {target}, "
                        f"which the optimizer config doesn't set; add optimizer.{target}"
                    )
                own[target] = base[target] * value
            else:
                own[key] = value
    return own


def group_parameters(
    model: nn.Module,
    options: Options,
    base: Mapping[str, Any],
    lr_scale: Callable[[str], float] | None = None,
) -> list[dict[str, Any]]:
    """Return the parameter groups of ``model``, in the order in which they first occur.

    Args:
        model: The bare model. Frozen parameters are in the group without options.
        options: Regular expression over parameter names -> options of the optimizer's group.
        base: The optimizer config, for multipliers.
        lr_scale: Function from a parameter's name to the factor of its learning rate.
    """
    check_options(options)
    groups: dict[str, dict[str, Any]] = {}
    for name, param in model.named_parameters():
        own = options_of(name, options, base) if param.requires_grad else {}
        if lr_scale is not None and param.requires_grad:
            own["lr"] = own.get("lr", base["lr"]) * lr_scale(name)
        # Values may be lists (betas), which have no hash: their text is the key.
        key = repr(sorted(own.items()))
        groups.setdefault(key, {"params": [], **own})["params"].append(param)
    return list(groups.values())
