"""Steps of one method on random images: by ours with its small config, or by a plain loop."""

import resource
from typing import Any

import torch
from serve import serve, settings

LENGTH, NEGATIVES, CLUSTERS = 8013, 4096, 200

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
name, size, images = wanted["method"], wanted["size"], wanted["images"]


def batch() -> dict[str, Any]:
    """Return a batch as the loader would."""
    if name == "rotation_pred":
        turns = torch.arange(4).repeat(images // 2, 1)
        return dict(img=torch.randn(images // 2, 4, 3, size, size), rot_label=turns)
    if name == "relative_loc":
        places = torch.arange(8).repeat(images // 8, 1)
        return dict(img=torch.randn(images // 8, 8, 6, size, size), patch_label=places)
    if name == "deepcluster":
        labels = torch.randint(CLUSTERS, (2 * images,))
        return dict(img=torch.randn(2 * images, 3, size, size), pseudo_label=labels)
    if name == "npid":
        idx = torch.randperm(LENGTH)[: 2 * images]
        return dict(img=torch.randn(2 * images, 3, size, size), idx=idx)
    if name == "mae":
        return dict(img=torch.randn(images, 3, size, size))
    views = [torch.randn(images, 3, size, size) for _ in range(2)]
    if name == "swav":
        views += [torch.randn(images, 3, size // 2, size // 2) for _ in range(6)]
    return dict(img=views)


def by_hand() -> Any:
    """Return the module of ``by_hand.py``, and the function that returns its loss."""
    import by_hand
    import by_hand_vit

    module = dict(
        rotation_pred=lambda: by_hand.Classes(4),
        deepcluster=lambda: by_hand.Classes(CLUSTERS),
        relative_loc=by_hand.RelativeLocation,
        npid=lambda: by_hand.NPID(LENGTH, NEGATIVES),
        mocov2=lambda: by_hand.MoCo(4096),
        densecl=lambda: by_hand.DenseCL(4096),
        byol=by_hand.BYOL,
        simsiam=by_hand.SimSiam,
        swav=lambda: by_hand.SwAV(60),
        mae=lambda: by_hand_vit.MAE(size),
        mocov3=lambda: by_hand_vit.MoCoV3(size),
    )[name]()
    module.train().to(memory_format=torch.channels_last)

    def loss(data: dict[str, Any]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return module(**data)

    return module, loss


def ours() -> Any:
    """Return the model of the small config, prepared as in ``tools/train.py``, and its loss."""
    import logging

    from mmselfsup.apis.acceleration import accelerate
    from mmselfsup.apis.train import build_model
    from mmselfsup.config.load import load_config
    from mmselfsup.utils.memory_allocator import keep_blocks_apart

    keep_blocks_apart()  # as FreedMemoryHook does around the first iteration
    options: dict[str, Any] = {"model.queue_len": 4096} if name in ("mocov2", "densecl") else {}
    if name == "npid":
        options = {"model.memory_bank.length": LENGTH, "model.neg_num": NEGATIVES}
    if name == "deepcluster":
        options = {"model.head.num_classes": CLUSTERS}
    cfg = load_config(wanted["config"], options)
    model: Any = build_model(cfg).train()
    accelerate(model, dict(amp=dict(dtype="bfloat16"), channels_last=True), logging.getLogger())

    def loss(data: dict[str, Any]) -> torch.Tensor:
        found: torch.Tensor = model.train_step(data)["loss"]
        if name in (
            "byol",
            "mocov3",
        ):  # a hook updates the target; other methods do so in the forward pass
            model.momentum_update()
        return found

    return model, loss


model, loss_of = ours() if wanted["kind"] == "ours" else by_hand()
weights = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.SGD(weights, lr=0.003, momentum=0.9, weight_decay=1e-4, fused=True)
data = batch()


def work() -> dict[str, float]:
    """Run one step; return its loss and the peak memory of this process so far, in MiB."""
    loss = loss_of(data)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"loss": float(loss.detach()), "memory": memory}


work()
if wanted["kind"] == "ours":
    from mmselfsup.utils.memory_allocator import keep_freed_memory

    keep_freed_memory()
serve(work, {"torch": torch.__version__})
