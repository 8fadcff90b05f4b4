"""Steps of methods on random images: ours with its small config, a plain loop, or lightly's.

The methods are measured one after the other, each in a process of its own, which is forked when
all libraries are loaded.
"""

import os
import resource
from typing import Any

import torch
from method_batches import batch
from serve import send, serve, settings

wanted = settings()
kind, size, images = wanted["kind"], wanted["size"], wanted["images"]
info = {"torch": torch.__version__}
if kind == "ours":
    import logging

    from method_ours import build

    from mmselfsup.apis.training.acceleration import accelerate
    from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory
elif kind == "lightly":
    import lightly
    from method_lightly import lightly_parts as plain

    info["lightly"] = lightly.__version__
else:
    from method_by_hand import by_hand as plain


def loss_by_hand(name: str) -> Any:
    """Return the module of a plain loop or of lightly's parts, and the function of its loss."""
    module = plain(name, size)
    module.train().to(memory_format=torch.channels_last)

    def loss(data: dict[str, Any]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            found: torch.Tensor = module(**data)
            return found

    return module, loss


def loss_of_ours(name: str) -> Any:
    """Return the model of the small config, prepared as in ``tools/train.py``, and its loss."""
    keep_blocks_apart()  # as FreedMemoryHook does around the first iteration
    model, moves = build(name, wanted["configs"][name], images)
    accelerate(model, dict(amp=dict(dtype="bfloat16"), channels_last=True), logging.getLogger())

    def loss(data: dict[str, Any]) -> torch.Tensor:
        found: torch.Tensor = model.train_step(data)["loss"]
        if moves:  # other methods do so in the forward pass
            model.momentum_update()
        return found

    return model, loss


def measure(name: str) -> None:
    """Serve the steps of a method."""
    torch.set_num_threads(wanted["threads"])
    torch.manual_seed(0)
    model, loss_of = loss_of_ours(name) if kind == "ours" else loss_by_hand(name)
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
    if kind == "ours":
        keep_freed_memory()
    serve(work, info, times=wanted["rounds"])


send(info)
for method in wanted["configs"]:
    child = os.fork()
    if child == 0:
        try:
            measure(method)
        except SystemExit:  # the driver has ended: no further method
            raise SystemExit(1) from None
        raise SystemExit
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{kind}: {method} has failed")
