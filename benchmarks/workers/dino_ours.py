"""Our DINO by its config and runner: an epoch for each ``go``.

With ``equal`` in float32 and NCHW, without a cache, with the transforms, projection and optimizer
that ``dino_lightly_train.py`` asks of lightly-train.
"""

import tempfile
from typing import Any

import cv2
import torch
from serve import send, settings
from turns import options_of

from mmselfsup.apis.train import build_datasets, build_model, train_model
from mmselfsup.config.load import load_config

wanted = settings()
torch.set_num_threads(wanted["threads"])
cv2.setNumThreads(0)
torch.manual_seed(0)
work_dir = tempfile.mkdtemp()
with open(f"{work_dir}/train.txt", "w") as file:
    file.writelines(f"{name} 0\n" for name in wanted["names"])


def view(size: int, scale: tuple[float, float], blur: float, solarize: float) -> list[Any]:
    """Return a pipeline of DINO's views as lightly-train makes them.

    Args:
        size: Side in pixels.
        scale: Range of the area of the crop.
        blur, solarize: Their probabilities.
    """
    jitter = dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    return [
        dict(type="RandomResizedCrop", size=size, scale=scale),
        dict(type="RandomHorizontalFlip"),
        dict(type="RandomAppliedTrans", transforms=[jitter], p=0.8),
        dict(type="RandomGrayscale", p=0.2),
        dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=blur),
        *([dict(type="Solarization", p=solarize)] if solarize else []),
        dict(type="ToTensor"),
        dict(type="Normalize", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ]


cfg = load_config(wanted["config"], options_of(wanted, work_dir, cache=not wanted["equal"]))
cfg.fp16 = None
cfg.custom_hooks.append({"type": "Turns", "priority": "VERY_LOW"})
if wanted["equal"]:
    size, small = wanted["size"], wanted["small"]
    cfg.amp, cfg.channels_last = None, False
    cfg.data.train.num_views = [1, 1, 6]
    large = (0.14, 1.0)
    cfg.data.train.pipelines = [
        view(size, large, 1.0, 0.0),
        view(size, large, 0.1, 0.2),
        view(small, (0.05, 0.14), 0.5, 0.0),
    ]  # fmt: skip
    cfg.model.neck.hid_channels = 2048
    cfg.optimizer_config.grad_clip = dict(max_norm=3.0)
model = build_model(cfg)
datasets = build_datasets(cfg)  # writes the cache
send({"torch": torch.__version__, "amp": str(cfg.get("amp"))})
train_model(model, datasets, cfg)
