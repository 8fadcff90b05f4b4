"""Features of images: by the extraction of ours, or by a network alone on a batch in memory.

All sides keep freed memory after their first extraction, as ours does.
"""

from pathlib import Path
from typing import Any

import torch
import torchvision
from mmcv import Config
from serve import serve, settings
from torch import Tensor, nn

from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
depth, size, batch, images = (wanted[key] for key in ("depth", "size", "batch", "images"))
backbone = dict(type="ResNet", depth=depth, out_indices=[4], norm_cfg=dict(type="BN"))
width = 2048 if depth == 50 else 512
CONFIG = Config(
    dict(
        model=dict(
            type="SimCLR",
            backbone=backbone,
            neck=dict(type="LinearNeck", in_channels=width, out_channels=8),
            head=dict(type="ContrastiveHead"),
        ),
        amp=dict(dtype="bfloat16"),
    )
)


def dataset() -> Any:
    """Return the first images of the folder, prepared as a k-NN evaluation does."""
    from mmselfsup.datasets import build_dataset

    names = sorted(path.name for path in Path(wanted["folder"]).glob("*.jpg"))[:images]
    lines = Path(wanted["cache"], f"{wanted['kind']}.txt")
    lines.write_text("".join(f"{name} 0\n" for name in names))
    cache = dict(dir=wanted["cache"], short_side=wanted["short"])
    source = dict(type="ImageList", data_prefix=wanted["folder"], ann_file=str(lines), cache=cache)
    pipeline = [
        dict(type="Resize", size=wanted["short"]),
        dict(type="CenterCrop", size=size),
        dict(type="ToTensor"),
        dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2]),
    ]
    return build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=pipeline))


class Ready(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Images of noise that are tensors already; the loader takes a batch at a time."""

    def __init__(self) -> None:
        self.batch = torch.randn(batch, 3, size, size)

    def __len__(self) -> int:
        return images

    def __getitems__(self, numbers: list[int]) -> Tensor:
        return self.batch[: len(numbers)]


def extraction() -> Any:
    """Return a function that extracts all features with ours."""
    from mmselfsup.apis.features.frozen_features import extraction_model
    from mmselfsup.datasets.loader import build_dataloader
    from mmselfsup.models.utils import ExtractProcess

    model = extraction_model(CONFIG, None, 0)
    if wanted["kind"] == "ours":
        loader = build_dataloader(
            dataset(), samples_per_gpu=batch, workers_per_gpu=0, dist=False, shuffle=False
        )
    else:
        loader = torch.utils.data.DataLoader(Ready(), batch, collate_fn=lambda img: dict(img=img))
    return lambda: ExtractProcess().extract(model, loader)["feat"]


def forward() -> Any:
    """Return a function that calls torchvision's network as often as there are batches."""
    net: Any = getattr(torchvision.models, f"resnet{depth}")()
    net.fc = nn.Identity()
    net.eval().to(memory_format=torch.channels_last)
    if wanted["kind"] == "products":
        from mmselfsup.models.utils.small_map_conv import multiply_small_maps

        multiply_small_maps(net)
    img = torch.randn(batch, 3, size, size)

    @torch.no_grad()
    def run() -> None:
        for start in range(0, images, batch):
            with torch.autocast("cpu", torch.bfloat16):
                net(img[: images - start])

    return run


keep_blocks_apart()
run = extraction() if wanted["kind"] in ("ours", "ready") else forward()


def work() -> None:
    """Extract the features of all images once."""
    run()


work()
keep_freed_memory()
serve(work, {"torch": torch.__version__})
