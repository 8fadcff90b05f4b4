"""Steps of one method on random images: by ours with its small config, or by a plain loop."""

import resource
import tempfile
from pathlib import Path
from typing import Any

import torch
from serve import serve, settings

LENGTH, NEGATIVES, CLUSTERS = 8013, 4096, 200
QUEUES = ("mocov2", "densecl", "interclr")
INTERCLR_CLUSTERS, INTERCLR_NEGATIVES, INTERCLR_POOL = 80, 256, 2048

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
    if name in ("maskfeat", "simmim", "cae"):
        return dict(img=masked_images())
    views = [torch.randn(images, 3, size, size) for _ in range(2)]
    if name == "swav":
        views += [torch.randn(images, 3, size // 2, size // 2) for _ in range(6)]
    if name == "interclr":
        return dict(img=views, idx=torch.randperm(LENGTH)[:images])
    return dict(img=views)


def masked_images() -> list[torch.Tensor]:
    """Return images with masks, and for CAE images of half the size between them."""
    img = torch.rand(images, 3, size, size)
    share, patch = {"maskfeat": (0.4, 16), "simmim": (0.6, 32), "cae": (75 / 196, 16)}[name]
    places = (size // patch) ** 2
    order = torch.rand(images, places).argsort(dim=1)
    mask = (order < round(share * places)).float().unflatten(1, (size // patch, -1))
    if name == "simmim":  # patches of the network have 4 pixels
        mask = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
    if name == "cae":
        return [img, torch.rand(images, 3, size // 2, size // 2), mask]
    return [img, mask]


def by_hand() -> Any:
    """Return the module of ``by_hand.py``, and the function that returns its loss."""
    import by_hand
    import by_hand_masked
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
        barlowtwins=by_hand.BarlowTwins,
        interclr=lambda: by_hand.InterCLR(
            4096, LENGTH, INTERCLR_CLUSTERS, INTERCLR_NEGATIVES, INTERCLR_POOL
        ),
        mae=lambda: by_hand_vit.MAE(size),
        maskfeat=lambda: by_hand_masked.MaskFeat(size),
        simmim=by_hand_masked.SimMIM,
        cae=lambda: by_hand_masked.CAE(size),
        mocov3=lambda: by_hand_vit.MoCoV3(size),
    )[name]()
    module.train().to(memory_format=torch.channels_last)

    def loss(data: dict[str, Any]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return module(**data)

    return module, loss


def sizes(folder: Path) -> dict[str, Any]:
    """Return the options that a training takes from its data; CAE's tokenizer goes to a folder."""
    if name == "npid":
        return {"model.memory_bank.length": LENGTH, "model.neg_num": NEGATIVES}
    if name == "deepcluster":
        return {"model.head.num_classes": CLUSTERS}
    if name == "cae":
        from by_hand_masked import tokenizer

        torch.save(tokenizer().state_dict(), folder / "tokenizer.pth")
        head = {"tokenizer_path": str(folder / "tokenizer.pth"), "tokenizer": {"n_hid": 32}}
        return {f"model.head.{key}": value for key, value in head.items()}
    queue = {"model.queue_len": 4096} if name in QUEUES else {}
    return {**queue, "model.memory_bank.length": LENGTH} if name == "interclr" else queue


def ours() -> Any:
    """Return the model of the small config, prepared as in ``tools/train.py``, and its loss."""
    import logging

    from mmselfsup.apis.acceleration import accelerate
    from mmselfsup.apis.train import build_model
    from mmselfsup.config.load import load_config
    from mmselfsup.utils.memory_allocator import keep_blocks_apart

    keep_blocks_apart()  # as FreedMemoryHook does around the first iteration
    with tempfile.TemporaryDirectory() as folder:
        cfg = load_config(wanted["config"], sizes(Path(folder)))
        model: Any = build_model(cfg).train()
    if name == "interclr":
        labels = torch.arange(LENGTH) % INTERCLR_CLUSTERS
        model.memory_bank.init_memory(torch.randn(LENGTH, 128), labels)
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
