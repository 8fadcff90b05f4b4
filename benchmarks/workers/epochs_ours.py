"""Our training by its config and runner: an epoch for each ``go``, then k-NN.

With ``as_lightly`` in float32 and NCHW, without a cache, with the transforms, temperature,
optimizer and learning rate of ``epochs_lightly.py``.
"""

import tempfile
import time

import cv2
import torch
from knn import balanced_accuracy, read
from serve import next_go, send, settings
from turns import options_of

from mmselfsup.apis.train import build_datasets, build_model, train_model
from mmselfsup.config.load import load_config

wanted = settings()
torch.set_num_threads(wanted["threads"])
cv2.setNumThreads(0)
torch.manual_seed(0)
work_dir = tempfile.mkdtemp()
with open(f"{work_dir}/train.txt", "w") as file:
    file.write("\n".join(wanted["train"]) + "\n")

#: The defaults of lightly's ``SimCLRTransform``, with the mean and deviation of ImageNet.
LIGHTLYS_TRANSFORMS = [
    dict(type="RandomResizedCrop", size=wanted["size"], scale=(0.08, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type="ToTensor"),
    dict(type="Normalize", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
]

options = {
    **options_of(wanted, work_dir, wanted["cache"]),
    "compile": wanted["compile"],
    "custom_hooks": [{"type": "Turns", "priority": "VERY_LOW"}],
}
cfg = load_config(wanted["config"], options)
cfg.fp16 = None
if wanted["as_lightly"]:
    cfg.amp, cfg.channels_last = None, False
    cfg.data.train.pipelines = [LIGHTLYS_TRANSFORMS]
    cfg.model.head.temperature, cfg.model.backbone.zero_init_residual = 0.5, False
    cfg.optimizer.lr, cfg.lr_config = 0.06, dict(policy="fixed")
model = build_model(cfg)
begin = time.perf_counter()
datasets = build_datasets(cfg)  # writes the cache
send({"torch": torch.__version__, "cache": time.perf_counter() - begin})
runner = train_model(model, datasets, cfg)
trained = runner.model.eval()
next_go()
normalize = {key: list(cfg.data.train.pipelines[0][-1][key]) for key in ("mean", "std")}
lists = (read(wanted[part], wanted["folder"], wanted["size"]) for part in ("train", "test"))


def features(images: torch.Tensor) -> torch.Tensor:
    """Return the pooled features of the frozen backbone."""
    pooled: torch.Tensor = trained.extract_feat(images)[0].mean(dim=(2, 3))
    return pooled


send({"wall": 0, "cpu": 0, "score": balanced_accuracy(features, *lists, **normalize)})
