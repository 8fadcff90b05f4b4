"""Find the ISIC-2019 configs by their names."""

from __future__ import annotations

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


def find_finetune_config(configs: Path, demo: bool = False) -> Path:
    """Choose the ISIC-2019 config of the classifier: the demo's, or else the full-size one.

    Raises:
        UserError: There is none.
    """
    folder = configs / "benchmarks" / "classification" / "isic2019"
    for path in sorted(folder.glob("*isic2019*.py")):
        if ("demo" in path.stem) if demo else path.stem.endswith("isic2019"):
            return path
    raise UserError(f"no {'demo ' if demo else ''}config in {folder}; name one: FINETUNE_CONFIG")
