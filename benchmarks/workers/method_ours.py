"""Our model of a small config, with the options that a training takes from its data."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from method_batches import CLUSTERS, GROUPS, INTERCLR_CLUSTERS, LENGTH, NEGATIVES, QUEUE

#: The option that sets the length of a queue.
QUEUES = {
    **dict.fromkeys(
        ("mocov2", "densecl", "interclr", "nnclr", "nnbyol", "nnsiam", "all4one"), "model.queue_len"
    ),
    **dict.fromkeys(("ressl", "smog"), "model.head.queue_len"),
}


def options(name: str, folder: Path) -> dict[str, Any]:
    """Return the options of a method; weights that it reads are written into a folder."""
    if name == "npid":
        return {"model.memory_bank.length": LENGTH, "model.neg_num": NEGATIVES}
    if name == "deepcluster":
        return {"model.head.num_classes": CLUSTERS}
    if name == "dcl":
        return {"model.head.sigma": None}
    if name == "distillation":
        import torchvision

        weights = torchvision.models.resnet50().state_dict()
        kept = {key: value for key, value in weights.items() if not key.startswith("fc.")}
        torch.save(kept, folder / "teacher.pth")
        return {"model.teacher.checkpoint": str(folder / "teacher.pth")}
    if name == "cae":
        from by_hand_masked import tokenizer

        torch.save(tokenizer().state_dict(), folder / "tokenizer.pth")
        head = {"tokenizer_path": str(folder / "tokenizer.pth"), "tokenizer": {"n_hid": 32}}
        return {f"model.head.{key}": value for key, value in head.items()}
    queue = {QUEUES[name]: QUEUE} if name in QUEUES else {}
    return {**queue, "model.memory_bank.length": LENGTH} if name == "interclr" else queue


def build(name: str, config: str, images: int, initialise: bool = True) -> tuple[Any, bool]:
    """Return the model in training mode, and whether a hook of the config moves its target.

    Without ``initialise``, the weights are those of PyTorch's constructors.
    """
    from mmselfsup.apis.train import build_model
    from mmselfsup.config.load import load_config
    from mmselfsup.models import build_algorithm
    from mmselfsup.utils.data_info import DataInfo, fit_to_data

    with tempfile.TemporaryDirectory() as folder:
        cfg = load_config(config, options(name, Path(folder)))
        model: Any = (build_model(cfg) if initialise else build_algorithm(cfg.model)).train()
    fit_to_data(model.modules(), DataInfo(LENGTH, images))
    if name == "interclr":
        labels = torch.arange(LENGTH) % INTERCLR_CLUSTERS
        model.memory_bank.init_memory(torch.randn(LENGTH, 128), labels)
    if name == "deepclusterv2":
        model.head.assignments.copy_(torch.randint(GROUPS, model.head.assignments.shape))
    hooks = [hook["type"] for hook in cfg.get("custom_hooks", [])]
    return model, "MomentumUpdateHook" in hooks
