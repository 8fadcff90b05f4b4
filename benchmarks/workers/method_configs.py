"""Which small config a method of the benchmark is measured with."""

from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs" / "selfsup"
#: Methods that are no folder of configs/selfsup, with the folder of their config.
FOLDERS = {"dclw": "dcl", "dino_vit": "dino"}
TINY = ("dino_vit", "ibot", "dinov2", "msn", "pmsn", "ijepa")
SMALL = ("mae", "mocov3", "maskfeat", "cae")


def config_of(name: str) -> Path:
    """Return the config of a method."""
    pattern = "*_resnet18_*_isic2019-64.py"
    if name in TINY:
        pattern = "*_vit-tiny-p8_*_isic2019-64*.py"
    elif name in SMALL or name == "simmim":
        network = "swin-tiny" if name == "simmim" else "vit-small-p16"
        pattern = f"*_{network}*_isic2019*.py"
    (config,) = (CONFIGS / FOLDERS.get(name, name)).glob(pattern)
    return config
