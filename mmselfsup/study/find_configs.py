"""Find the ISIC-2019 configs by their names."""

from __future__ import annotations

from pathlib import Path

from mmselfsup.utils.errors import UserError

DEMO = "demo"
FULL_SIZE = "224"


def ending(size: str) -> str:
    """Return how the file names of a size's configs end (pixels, or ``demo``)."""
    return "isic2019" if size == FULL_SIZE else f"isic2019-{size}"


def find_ssl_config(configs: Path, algorithm: str, size: str = FULL_SIZE) -> Path:
    """Choose the ISIC-2019 config of an algorithm.

    Args:
        configs: The folder ``configs``.
        algorithm: Name of its folder under ``selfsup``.
        size: Side of the images in pixels, or ``demo``.

    Raises:
        UserError: There is none; the message names those that exist.
    """
    paths = sorted(configs.glob(f"selfsup/*/*{ending(size)}.py"))
    for path in paths:
        if path.parent.name == algorithm:
            return path
    what = "demo" if size == DEMO else f"ISIC-2019 (SIZE={size})"
    advice = f"SIZE=64 with --demo, {_SSL}" if size == DEMO else _SSL
    names = ", ".join(dict.fromkeys(path.parent.name for path in paths)) or "none"
    raise UserError(
        f"ALGORITHM={algorithm} has no {what} config under {configs / 'selfsup'}; "
        f"available: {names} (or {advice})"
    )


_SSL = "name a config with SSL_CONFIG"


def find_finetune_config(configs: Path, size: str = FULL_SIZE) -> Path:
    """Choose the ISIC-2019 config of the classifier.

    Raises:
        UserError: There is none.
    """
    folder = configs / "benchmarks" / "classification" / "isic2019"
    paths = sorted(folder.glob(f"*{ending(size)}.py"), key=lambda path: (len(path.name), path))
    if paths:
        return paths[0]  # the basic one: variants add a word to its name
    raise UserError(f"no config *{ending(size)}.py in {folder}; name one: FINETUNE_CONFIG")
