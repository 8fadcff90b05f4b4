"""Steps of one method on random images: ours with its small config, a plain loop, or lightly's."""

import resource
from typing import Any

import torch
from method_batches import batch
from serve import serve, settings

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
name, size, images = wanted["method"], wanted["size"], wanted["images"]


def plain() -> Any:
    """Return the module of a plain loop or of lightly's parts, and the function of its loss."""
    if wanted["kind"] == "lightly":
        from method_lightly import lightly_parts as build
    else:
        from method_by_hand import by_hand as build

    module = build(name, size)
    module.train().to(memory_format=torch.channels_last)

    def loss(data: dict[str, Any]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            found: torch.Tensor = module(**data)
            return found

    return module, loss


def ours() -> Any:
    """Return the model of the small config, prepared as in ``tools/train.py``, and its loss."""
    import logging

    from method_ours import build

    from mmselfsup.apis.acceleration import accelerate
    from mmselfsup.utils.memory_allocator import keep_blocks_apart

    keep_blocks_apart()  # as FreedMemoryHook does around the first iteration
    model, moves = build(name, wanted["config"], images)
    accelerate(model, dict(amp=dict(dtype="bfloat16"), channels_last=True), logging.getLogger())

    def loss(data: dict[str, Any]) -> torch.Tensor:
        found: torch.Tensor = model.train_step(data)["loss"]
        if moves:  # other methods do so in the forward pass
            model.momentum_update()
        return found

    return model, loss


model, loss_of = ours() if wanted["kind"] == "ours" else plain()
weights = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.SGD(weights, lr=0.003, momentum=0.9, weight_decay=1e-4, fused=True)
data = batch(name, images, size)


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
info = {"torch": torch.__version__}
if wanted["kind"] == "lightly":
    import lightly

    info["lightly"] = lightly.__version__
serve(work, info)
