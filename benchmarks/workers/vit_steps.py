"""Steps of SimCLR and DINO with ViT-S/16 on random images: by ours, or by a plain loop.

Stochastic depth is off, and freed memory is kept, on both sides; no map is small enough for matrix
products. Letters: N images, V views, K outputs.
"""

import copy
import resource
from typing import Any

import torch
import torch.nn.functional as F
from by_hand_vit import PATCH, C, ViT
from serve import serve, settings
from torch import Tensor, nn

from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
SIZE, IMAGES, HIDDEN, BOTTLENECK = wanted["size"], wanted["images"], 2048, 256
OUTPUTS = wanted["outputs"]
BACKBONE = dict(type="VisionTransformer", arch="deit-small", img_size=SIZE, patch_size=16)
MODELS: dict[str, Any] = {
    "simclr": dict(
        type="SimCLR",
        backbone=BACKBONE,
        neck=dict(
            type="NonLinearNeck", in_channels=C, hid_channels=HIDDEN, out_channels=128,
            num_layers=2, with_avg_pool=False,
        ),
        head=dict(type="ContrastiveHead", temperature=0.2),
    ),
    "dino": dict(
        type="DINO",
        backbone=BACKBONE,
        neck=dict(type="DINONeck", in_channels=C, out_channels=OUTPUTS),
        head=dict(type="DINOHead", feat_dim=OUTPUTS),
    ),
}  # fmt: skip


class AnySizeViT(ViT):
    """ViT-S/16 whose positions are interpolated for smaller images; its output is the token."""

    def forward(self, img: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the class tokens [N, C]."""
        side, own = img.shape[-1] // PATCH, SIZE // PATCH
        pos = self.pos[:, 1:]
        if side != own:
            grid = pos.transpose(1, 2).unflatten(2, (own, own))
            grid = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
            pos = grid.flatten(2).transpose(1, 2)
        x = self.patches(img).flatten(2).transpose(1, 2) + pos
        token = (self.token + self.pos[:, :1]).expand(len(x), -1, -1)
        tokens: Tensor = self.norm(self.blocks(torch.cat([token, x], dim=1)))
        return tokens[:, 0]


class SimCLR(nn.Module):
    """Both views in one batch, two layers, NT-Xent."""

    def __init__(self) -> None:
        super().__init__()
        self.net = AnySizeViT(SIZE)
        self.projector = nn.Sequential(
            nn.Linear(C, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, 128, bias=False), nn.BatchNorm1d(128),
        )  # fmt: skip

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views, each [N, 3, H, W]."""
        z = F.normalize(self.projector(self.net(torch.cat(img))).float(), dim=1)
        with torch.autocast("cpu", enabled=False):
            similarity = z @ z.T / 0.2
            similarity.fill_diagonal_(-torch.inf)
            return F.cross_entropy(similarity, torch.arange(len(z)).roll(len(z) // 2))


class DINOScores(nn.Module):
    """ViT-S/16, three layers, and cosines with K prototypes."""

    def __init__(self) -> None:
        super().__init__()
        self.net = AnySizeViT(SIZE)
        self.mlp = nn.Sequential(
            nn.Linear(C, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(),
            nn.Linear(HIDDEN, BOTTLENECK),
        )  # fmt: skip
        self.last = nn.Linear(BOTTLENECK, OUTPUTS, bias=False)

    def forward(self, views: list[Tensor]) -> Tensor:
        """Return scores [V, N, K]; views of one size make one batch."""
        sizes = sorted({view.shape[-1] for view in views}, reverse=True)
        batches = [torch.cat([v for v in views if v.shape[-1] == size]) for size in sizes]
        h = self.mlp(torch.cat([self.net(batch) for batch in batches]))
        with torch.autocast("cpu", enabled=False):
            prototypes = F.normalize(self.last.weight, dim=1)
            scores = F.linear(F.normalize(h.float(), dim=1), prototypes)
        return scores.unflatten(0, (len(views), -1))


class DINO(nn.Module):
    """A student of all views and a teacher of the first two, with centring."""

    center: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.student = DINOScores()
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.register_buffer("center", torch.zeros(OUTPUTS))

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss."""
        log_p = F.log_softmax(self.student(img) / 0.1, dim=2)
        with torch.no_grad():
            scores = self.teacher(img[:2])
            targets = ((scores - self.center) / 0.04).softmax(2)
            self.center = 0.9 * self.center + 0.1 * scores.mean((0, 1))
        losses = [
            -(target * log_p[v]).sum(1).mean()
            for i, target in enumerate(targets)
            for v in range(len(img))
            if v != i
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def momentum_update(self) -> None:
        """Move the teacher."""
        pairs = zip(self.teacher.parameters(), self.student.parameters(), strict=True)
        for slow, own in pairs:
            slow.lerp_(own, 0.004)


def ours() -> Any:
    """Return our model, prepared as in ``tools/train.py``."""
    import logging

    from mmselfsup.apis.training.acceleration import accelerate
    from mmselfsup.models import build_algorithm

    model = build_algorithm(copy.deepcopy(MODELS[wanted["method"]]))
    model.init_weights()
    accelerate(model, dict(amp=dict(dtype="bfloat16"), channels_last=True), logging.getLogger())
    return model


is_ours = wanted["kind"] == "ours"
keep_blocks_apart()  # as FreedMemoryHook does around the first iteration; on both sides
plain: dict[str, type[nn.Module]] = {"simclr": SimCLR, "dino": DINO}
model: Any = ours() if is_ours else plain[wanted["method"]]().to(memory_format=torch.channels_last)
model.train()
weights = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=1e-5, fused=True)
views = [torch.randn(IMAGES, 3, SIZE, SIZE) for _ in range(2)]
if wanted["method"] == "dino":
    views += [torch.randn(IMAGES, 3, wanted["small"], wanted["small"]) for _ in range(6)]


def work() -> dict[str, float]:
    """Run one step; return its loss and the peak memory of this process so far, in MiB."""
    if is_ours:
        loss = model.train_step({"img": views})["loss"]
    else:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(views)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if wanted["method"] == "dino":
        model.momentum_update()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"loss": float(loss.detach()), "memory": memory}


work()
keep_freed_memory()
serve(work, {"torch": torch.__version__})
