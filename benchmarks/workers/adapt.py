"""Steps of MoCo v3 with ViT-S/16 on random images, with one type of ``adapt``.

Memory is what the process takes beyond what it had before its first step.
"""

import resource
from typing import Any

import torch
from serve import serve, settings

from mmselfsup.apis.train import build_model
from mmselfsup.config.load import load_config
from mmselfsup.core import build_optimizer
from mmselfsup.core.adaptation import adapt_model

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
images, size = wanted["images"], wanted["size"]
cfg = load_config(wanted["config"], {"model.backbone.img_size": size})
model: Any = build_model(cfg).train()
adaptation = adapt_model(model, wanted["adapt"])
optimizer = build_optimizer(model, cfg.optimizer, adaptation.lr_scale)
data = dict(img=[torch.randn(images, 3, size, size) for _ in range(2)])
of_backbone = [p.numel() for p in model.backbone.parameters() if p.requires_grad]


def peak() -> float:
    """Return the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


before = peak()


def work() -> dict[str, float]:
    """Run one step; return its loss and the memory that steps have taken so far, in MiB."""
    loss = model.train_step(data)["loss"]
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    model.momentum_update()
    return {"loss": float(loss.detach()), "memory": peak() - before}


work()
serve(work, {"torch": torch.__version__, "trained": sum(of_backbone)})
