"""How much of the lesion random views keep: standard crops, and those of ``RotatedCrop``.

The lesion is the mask of ``mmselfsup.isic.lesion_mask``, which the crops do not know: they estimate
it by a faster and coarser method. Images without a mask that is found are left out.

Example: python benchmarks/lesion_views.py FOLDER --images 500
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

VIEWS = 8  # of each image
BELOW = (0.1, 0.15, 0.25, 0.5)


def samplers() -> dict[str, Callable[[Any], Any]]:
    """Return functions of pixels that draw a rectangle, by name."""
    from mmselfsup.datasets.pipelines import RandomResizedCrop, RotatedCrop
    from mmselfsup.datasets.pipelines.rotated_crop import Rectangle

    def upright(scale: tuple[float, float]) -> Callable[[Any], Any]:
        crop = RandomResizedCrop(size=64, scale=scale)

        def sample(pixels: Any) -> Any:
            top, left, height, width = crop.sample_params(*pixels.shape[:2])
            return Rectangle(left + width / 2, top + height / 2, width, height, 0.0)

        return sample

    found: dict[str, Callable[[Any], Any]] = {}
    for scale, least in (((0.2, 1.0), 0.5), ((0.08, 0.3), 0.15)):
        found[f"RandomResizedCrop, scale {scale}"] = upright(scale)
        found[f"RotatedCrop, scale {scale}"] = RotatedCrop(64, scale).sample_params
        name = f"RotatedCrop, scale {scale}, least_lesion {least}"
        found[name] = RotatedCrop(64, scale, least_lesion=least).sample_params
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="Folder of images.")
    parser.add_argument("--images", type=int, default=500, help="Use this number of images.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the crops.")
    args = parser.parse_args()
    import torch

    from mmselfsup.datasets.data_sources.decode import open_rgb
    from mmselfsup.isic.lesion_mask import find_lesion

    torch.manual_seed(args.seed)
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    paths = paths[:: max(1, len(paths) // args.images)][: args.images]
    images, lesions = [], []
    for path in paths:
        pixels = np.asarray(open_rgb(path))
        mask, guessed = find_lesion(pixels)
        if not guessed:
            rows, columns = np.nonzero(mask[::2, ::2])
            images.append(pixels)
            lesions.append(np.stack([2 * columns + 1.0, 2 * rows + 1.0], axis=1))
    print(f"{len(images)} of {len(paths)} images have a mask; {VIEWS} views each")
    below = " | ".join(f"below {b}" for b in BELOW)
    print(f"| crop | median area | median share of the lesion | {below} |")
    print("|" + "---|" * (3 + len(BELOW)))
    for name, sample in samplers().items():
        shares, areas = [], []
        for pixels, lesion in zip(images, lesions, strict=True):
            for crop in (sample(pixels) for _ in range(VIEWS)):
                shares.append(crop.share(lesion))
                areas.append(crop.width * crop.height / pixels[..., 0].size)
        parts = " | ".join(f"{np.mean(np.array(shares) < b):.1%}" for b in BELOW)
        print(f"| {name} | {np.median(areas):.2f} | {np.median(shares):.2f} | {parts} |")


if __name__ == "__main__":
    main()
