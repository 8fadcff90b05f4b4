"""Read and check what the user gave by environment and command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmselfsup.utils.errors import UserError


def available_algorithms(configs: Path) -> dict[str, list[Path]]:
    """Find the pre-trainings that have an ISIC-2019 config: name -> configs, sorted."""
    found: dict[str, list[Path]] = {}
    for path in sorted(configs.glob("selfsup/*/*isic2019*.py")):
        found.setdefault(path.parent.name, []).append(path)
    return found


def find_ssl_config(configs: Path, algorithm: str, demo: bool = False) -> Path:
    """Choose the ISIC-2019 config of an algorithm: the demo's, or else the full-size one.

    Raises:
        UserError: No such config; names the algorithms there are.
    """
    found = available_algorithms(configs)
    fitting = [p for p in found.get(algorithm, []) if ("demo" in p.stem) == demo]
    full_size = [p for p in fitting if demo or p.stem.endswith("isic2019")]
    if full_size:
        return full_size[0]
    fitting_names = [
        name for name, paths in found.items() if any(("demo" in p.stem) == demo for p in paths)
    ]
    raise UserError(
        f"ALGORITHM={algorithm} has no {'demo' if demo else 'ISIC-2019'} config under "
        f"{configs / 'selfsup'}; available: {', '.join(fitting_names) or 'none'} "
        "(or name a config with SSL_CONFIG)"
    )


def parse_lrs(text: str) -> tuple[float, ...]:
    """Read learning rates separated by blanks or commas, sorted, each once.

    Raises:
        UserError: A value is no positive number.
    """
    words = text.replace(",", " ").split()
    try:
        values = sorted({float(word) for word in words})
    except ValueError as error:
        raise UserError(f"FINETUNE_LRS={text!r}: {error}; give numbers such as '0.01 0.1'") from None
    if any(not 0 < value < float("inf") for value in values):
        raise UserError(f"FINETUNE_LRS={text!r}: learning rates must be positive numbers")
    return tuple(values)


def integer(env: Mapping[str, str], name: str, default: int, minimum: int = 0) -> int:
    """Read a whole number from the environment.

    Raises:
        UserError: The value is no whole number or below the minimum.
    """
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise UserError(f"{name}={text!r} must be a whole number of at least {minimum}")
    return int(text)


def check_options(options: Sequence[str]) -> tuple[str, ...]:
    """Check that each argument has the form `key=value`."""
    for option in options:
        if "=" not in option or option.startswith(("-", "=")):
            raise UserError(f"unknown argument {option!r}; see --help (overrides: key=value)")
    return tuple(options)


def check_isic_root(path: str | None) -> Path:
    """Check that the data set is there.

    Raises:
        UserError: The folder isn't given, isn't there or holds no image.
    """
    advice = "get ISIC-2019 as docs/en/prepare_data.md describes, or try --demo"
    if not path:
        raise UserError(f"ISIC_ROOT is not set: {advice}")
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"ISIC_ROOT={path} is no folder: {advice}")
    for _, _, files in os.walk(root):
        if any(name.lower().endswith((".jpg", ".jpeg", ".png")) for name in files):
            return root
    raise UserError(f"ISIC_ROOT={path} holds no images (.jpg): {advice}")
