"""A small model and a batch for each algorithm; a new method is added here.

``TINY[name]`` is a ``Tiny``. The contract tests train every algorithm of the registry with it, in
one process and on two ranks.
Letters: n samples of a batch.
"""

import atexit
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mmselfsup.core.checkpoint import pretrained  # noqa: F401  registers init_cfg's Pretrained
from mmselfsup.models import build_backbone
from mmselfsup.models.utils.dall_e import Encoder


def two_views(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``MultiViewDataset``: 2 views [n, 3, 32, 32], float32 in 0..1."""
    views = [torch.rand(n, 3, 32, 32, generator=generator) for _ in range(2)]
    return {"img": views, "idx": torch.arange(n)}


def three_views(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``MultiViewDataset``: 3 views [n, 3, 32, 32], float32 in 0..1."""
    views = [torch.rand(n, 3, 32, 32, generator=generator) for _ in range(3)]
    return {"img": views, "idx": torch.arange(n)}


def labelled_views(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``MultiViewDataset`` with labels of 2 classes, every third image with none.

    The views are [n, 3, 32, 32].
    """
    return {**two_views(n, generator), "label": torch.arange(n) % 3 - 1}


def crops(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``MultiViewDataset``: 2 views [n, 3, 32, 32] and 2 of [n, 3, 24, 24]."""
    views = [torch.rand(n, 3, side, side, generator=generator) for side in (32, 32, 24, 24)]
    return {"img": views, "idx": torch.arange(n)}


def located_views(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return ``two_views`` with maps [n, 2, 3] to their places in images of 100 pixels."""
    batch = two_views(n, generator)
    box = torch.rand(2, n, 4, generator=generator) * 30 + torch.tensor([30.0, 30, 0, 0])
    zero = torch.zeros(2, n)
    rows = [torch.stack((box[..., 0], zero, box[..., 2]), 2)]
    rows += [torch.stack((zero, box[..., 1], box[..., 3]), 2)]
    batch["img"] = [list(view) for view in zip(batch["img"], torch.stack(rows, 2), strict=True)]
    return batch


def masked_crops(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return ``crops`` whose first two views are pairs of images and masks of 4 x 4 patches.

    Two to seven patches are masked; every third image has none.
    """
    batch = crops(n, generator)
    counts = torch.arange(n) % 6 + 2
    counts[::3] = 0
    for view in range(2):
        order = torch.rand(n, 16, generator=generator).argsort(dim=1)
        mask = (order < counts[:, None]).view(n, 4, 4)
        batch["img"][view] = [batch["img"][view], mask]
    return batch


def pairs(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``RelativeLocDataset``: 8 pairs [n, 8, 6, 24, 24], labels [n, 8]."""
    img = torch.rand(n, 8, 6, 24, 24, generator=generator)
    return {"img": img, "patch_label": torch.arange(8).repeat(n, 1)}


def rotations(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``RotationPredDataset``: 4 rotations [n, 4, 3, 32, 32], labels [n, 4]."""
    img = torch.rand(n, 4, 3, 32, 32, generator=generator)
    return {"img": img, "rot_label": torch.arange(4).repeat(n, 1)}


def labelled(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``SingleViewDataset``: images [n, 3, 32, 32], labels [n] of 3 classes."""
    img = torch.rand(n, 3, 32, 32, generator=generator)
    return {"img": img, "label": torch.arange(n) % 3, "idx": torch.arange(n)}


def clustered(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch of ``DeepClusterDataset``: images [n, 3, 32, 32], labels of 3 clusters."""
    img = torch.rand(n, 3, 32, 32, generator=generator)
    return {"img": img, "pseudo_label": torch.arange(n) % 3, "idx": torch.arange(n)}


def masked(side: int, entries: int) -> Callable[[int, torch.Generator], dict[str, Any]]:
    """Return a function that makes batches of images and masks, as mask generators do.

    Args:
        side: Height and width of the images in pixels.
        entries: Rows and columns of a mask; half of its entries are 1.
    """

    def batch(n: int, generator: torch.Generator) -> dict[str, Any]:
        img = torch.rand(n, 3, side, side, generator=generator)
        # As many for each image: then the mean of the ranks' losses is that of the joined batch.
        order = torch.rand(n, entries**2, generator=generator).argsort(dim=1)
        mask = (order < entries**2 // 2).view(n, entries, entries)
        return {"img": [img, mask], "idx": torch.arange(n)}

    return batch


def two_pictures(n: int, generator: torch.Generator) -> dict[str, Any]:
    """Return a batch for CAE: images, images for the tokenizer and masks of 4 x 4 patches."""
    batch = masked(side=32, entries=4)(n, generator)
    img, mask = batch["img"]
    return {**batch, "img": [img, torch.rand(n, 3, 32, 32, generator=generator), mask]}


def tokenizer_file() -> str:
    """Return a file with the random weights of a small tokenizer."""
    path = Path(tempfile.gettempdir()) / f"mmselfsup_tokenizer_{os.getuid()}_{os.getpid()}.pth"
    if not path.exists():
        torch.manual_seed(0)
        torch.save(Encoder(**TOKENIZER).state_dict(), path)
        atexit.register(path.unlink, missing_ok=True)
    return str(path)


def teacher_file() -> str:
    """Return a file with the random weights of a small teacher."""
    path = Path(tempfile.gettempdir()) / f"mmselfsup_teacher_{os.getuid()}_{os.getpid()}.pth"
    if not path.exists():
        torch.manual_seed(0)
        torch.save(build_backbone(RESNET).state_dict(), path)
        atexit.register(path.unlink, missing_ok=True)
    return str(path)


TOKENIZER = {"n_hid": 4, "n_blk_per_group": 1, "vocab_size": 16}


def fill_memory(model: Any) -> None:
    """Fill a memory with clusters with features and labels, as the first clustering does."""
    bank = model.memory_bank
    rows = torch.randn(bank.feature_bank.shape, generator=torch.Generator().manual_seed(2))
    bank.init_memory(rows, torch.arange(len(rows)) % bank.num_classes)


def one_neighbour(model: Any) -> None:
    """Fill a queue of neighbours with one vector: rounding then can't turn which is the nearest."""
    model.neighbours.queue.fill_(model.neighbours.queue.shape[0] ** -0.5)


def same_mask(model: Any) -> None:
    """Hide the second half of the patches of each image, on any number of ranks."""
    model.draw_mask = lambda n, patches, device: (
        (torch.arange(patches) >= patches // 2).expand(n, -1).to(device, torch.float32)
    )


def same_blocks(model: Any) -> None:
    """Give all images the same context and the same two blocks of a grid of 4 x 4 patches."""
    context = torch.tensor([0, 1, 4, 8, 12])
    targets = torch.tensor([[5, 6, 9, 10], [10, 11, 14, 15]])
    model.masks.draw = lambda n, grid: (context.expand(n, -1), targets.expand(n, -1, -1))


class Tiny(NamedTuple):
    """The description of an algorithm for the contract tests.

    Attributes:
        cfg: Config of a model that trains in milliseconds.
        batch: Function of the number of samples n and a generator that returns a batch.
        joined: Whether R ranks must compute what one process computes on their joined batch. False
            for a method that draws random numbers in its forward pass.
        prepare: Function called with a new model before its first batch.
    """

    cfg: dict[str, Any]
    batch: Callable[[int, torch.Generator], dict[str, Any]]
    joined: bool = True
    prepare: Callable[[Any], None] = lambda model: None


RESNET = {
    "type": "ResNet",
    "depth": 18,
    "stem_channels": 4,
    "base_channels": 4,
    "norm_cfg": {"type": "SyncBN"},
}
MMCLS_HEAD = {
    "type": "mmcls.LinearClsHead",
    "num_classes": 3,
    "in_channels": 32,
    "cal_acc": False,
    "loss": {"type": "mmcls.CrossEntropyLoss"},
}
NECK = {
    "type": "NonLinearNeck",
    "in_channels": 32,
    "hid_channels": 8,
    "out_channels": 4,
}
PREDICTOR = {**NECK, "in_channels": 4, "with_avg_pool": False, "with_last_bn": False}
QUEUE = {"queue_len": 8, "feat_dim": 4, "head": {"type": "ContrastiveHead", "temperature": 0.5}}

DINO_NECK = {
    "type": "DINONeck",
    "in_channels": 32,
    "hid_channels": 8,
    "bottleneck_channels": 4,
    "out_channels": 6,
}
NEIGHBOURS = {"queue_len": 8, "feat_dim": 4}

VIT = {
    "type": "VisionTransformer",
    "arch": {"embed_dims": 32, "num_layers": 2, "num_heads": 2, "feedforward_channels": 64},
    "img_size": 32,
    "patch_size": 8,
}

TINY = {
    "SimCLR": Tiny(
        {
            "type": "SimCLR",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "ContrastiveHead", "temperature": 0.5},
        },
        two_views,
    ),
    "BarlowTwins": Tiny(
        {
            "type": "BarlowTwins",
            "backbone": RESNET,
            "neck": {**NECK, "num_layers": 3, "with_last_bn": False},
            "head": {"type": "LatentCrossCorrelationHead", "in_channels": 4},
        },
        two_views,
    ),
    "VICReg": Tiny(
        {
            "type": "VICReg",
            "backbone": RESNET,
            "neck": {**NECK, "num_layers": 3, "with_last_bn": False},
            "head": {"type": "VICRegHead"},
        },
        two_views,
    ),
    "VICRegL": Tiny(
        {
            "type": "VICRegL",
            "backbone": {**RESNET, "strides": (1, 2, 2, 1)},
            "neck": {**NECK, "num_layers": 3, "with_last_bn": False},
            "local_neck": {**NECK, "with_last_bn": False, "with_avg_pool": False},
            "head": {
                "type": "VICRegLHead",
                "num_matches": 2,
                "invariance_weight": 5.0,
                "variance_weight": 5.0,
            },
        },
        located_views,
    ),
    "MSN": Tiny(
        {
            "type": "MSN",
            "backbone": {**VIT, "type": "MSNViT"},
            "neck": NECK,
            "mask_ratio": 0.25,
            "head": {
                "type": "MSNHead",
                "feat_dim": 4,
                "num_prototypes": 6,
                "temperature": 0.2,
                "target_temperature": 0.1,
                "sinkhorn_iterations": 1,
            },
        },
        crops,
        joined=False,  # masks
    ),
    "IJEPA": Tiny(
        {
            "type": "IJEPA",
            "backbone": {**VIT, "type": "IJEPAViT"},
            "neck": {
                "type": "IJEPAPredictor",
                "num_patches": 16,
                "embed_dim": 32,
                "predictor_embed_dim": 16,
                "depth": 1,
                "num_heads": 2,
            },
            "head": {"type": "IJEPAHead"},
            "masks": {"min_context": 2},
        },
        labelled,
        prepare=same_blocks,
    ),
    "PMSN": Tiny(
        {
            "type": "PMSN",
            "backbone": {**VIT, "type": "MSNViT"},
            "neck": NECK,
            "mask_ratio": 0.25,
            "head": {
                "type": "MSNHead",
                "feat_dim": 4,
                "num_prototypes": 6,
                "temperature": 0.2,
                "target_temperature": 0.1,
                "sinkhorn_iterations": 0,
                "power_law_exponent": 0.25,
            },
        },
        crops,
        joined=False,  # masks
    ),
    "SMoG": Tiny(
        {
            "type": "SMoG",
            "backbone": RESNET,
            "neck": NECK,
            "head": {
                "type": "SMoGHead",
                **NEIGHBOURS,
                "predictor": PREDICTOR,
                "num_groups": 3,
                "temperature": 0.5,
                "beta": 0.8,
            },
        },
        two_views,
    ),
    "ReSSL": Tiny(
        {
            "type": "ReSSL",
            "backbone": RESNET,
            "neck": NECK,
            "head": {
                "type": "ReSSLHead",
                **NEIGHBOURS,
                "student_temperature": 0.5,
                "teacher_temperature": 0.25,
            },
        },
        two_views,
    ),
    "VIbCReg": Tiny(
        {
            "type": "VIbCReg",
            "backbone": RESNET,
            "neck": {**NECK, "num_layers": 3, "with_last_bn": False},
            "head": {
                "type": "VIbCRegHead",
                "invariance_weight": 1.0,
                "variance_weight": 1.0,
                "covariance_weight": 8.0,
            },
        },
        two_views,
    ),
    "WMSE": Tiny(
        {
            "type": "WMSE",
            "backbone": RESNET,
            "neck": {**NECK, "with_last_bn": False},
            "head": {"type": "WMSEHead", "shrinkage": 0.1},
        },
        three_views,
    ),
    "NNCLR": Tiny(
        {
            "type": "NNCLR",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "NNCLRHead", "predictor": PREDICTOR, "temperature": 0.5},
            **NEIGHBOURS,
        },
        two_views,
        prepare=one_neighbour,
    ),
    "All4One": Tiny(
        {
            "type": "All4One",
            "backbone": RESNET,
            "neck": NECK,
            "head": {
                "type": "All4OneHead",
                "feat_dim": 4,
                "predictor": PREDICTOR,
                "temperature": 0.5,
                "depth": 1,
                "num_heads": 2,
            },
            "num_neighbours": 3,
            **NEIGHBOURS,
        },
        two_views,
        prepare=one_neighbour,
    ),
    "NNBYOL": Tiny(
        {
            "type": "NNBYOL",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "LatentPredictHead", "predictor": PREDICTOR},
            **NEIGHBOURS,
        },
        two_views,
        prepare=one_neighbour,
    ),
    "NNSiam": Tiny(
        {
            "type": "NNSiam",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "LatentPredictHead", "predictor": PREDICTOR},
            **NEIGHBOURS,
        },
        two_views,
        prepare=one_neighbour,
    ),
    "FastSiam": Tiny(
        {
            "type": "FastSiam",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "LatentPredictHead", "predictor": PREDICTOR},
        },
        three_views,
    ),
    "TiCo": Tiny(
        {
            "type": "TiCo",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "TiCoHead", "feat_dim": 4},
        },
        two_views,
    ),
    "MMCR": Tiny(
        {
            "type": "MMCR",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "MMCRHead", "lambd": 0.1},
        },
        three_views,
    ),
    "LeJEPA": Tiny(
        {
            "type": "LeJEPA",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "LeJEPAHead", "num_directions": 8, "num_global": 2},
        },
        crops,
    ),
    "VISReg": Tiny(
        {
            "type": "VISReg",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "VISRegHead", "num_directions": 8, "num_global": 2},
        },
        crops,
    ),
    "Distillation": Tiny(
        {
            "type": "Distillation",
            "backbone": RESNET,
            "teacher": {"backbone": RESNET, "checkpoint": teacher_file()},
            "head": [
                {"type": "FeatureDistillationHead", "in_channels": 32, "out_channels": 32},
                {
                    "type": "SimilarityDistillationHead",
                    "in_channels": 32,
                    "out_channels": 32,
                    "queue_len": 8,
                    "teacher_temperature": 0.1,
                },
            ],
        },
        two_views,
    ),
    "SupCon": Tiny(
        {
            "type": "SupCon",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "SupConHead", "temperature": 0.5},
        },
        labelled_views,
    ),
    # Shuffling draws an order, but with synchronised statistics no order changes the result.
    "MoCo": Tiny(
        {"type": "MoCo", "backbone": RESNET, "neck": {**NECK, "type": "MoCoV2Neck"}, **QUEUE},
        two_views,
    ),
    # As many clusters as images, and labels that stay, so that the random positive can only be the
    # image's own row.
    "InterCLRMoCo": Tiny(
        {
            "type": "InterCLRMoCo",
            "backbone": RESNET,
            "neck": {**NECK, "type": "MoCoV2Neck"},
            **QUEUE,
            "memory_bank": {
                "type": "InterCLRMemory",
                "length": 12,
                "feat_dim": 4,
                "momentum": 0.5,
                "num_classes": 12,
                "min_cluster": 1,
            },
            "neg_num": 5,
            "neg_sampling": "hard",
            "online_labels": False,
            "num_classes": 12,
        },
        two_views,
        prepare=fill_memory,
    ),
    "DenseCL": Tiny(
        {"type": "DenseCL", "backbone": RESNET, "neck": {**NECK, "type": "DenseCLNeck"}, **QUEUE},
        two_views,
    ),
    "BYOL": Tiny(
        {
            "type": "BYOL",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "LatentPredictHead", "predictor": PREDICTOR},
        },
        two_views,
    ),
    "SimSiam": Tiny(
        {
            "type": "SimSiam",
            "backbone": RESNET,
            "neck": NECK,
            "head": {"type": "LatentPredictHead", "predictor": PREDICTOR},
        },
        two_views,
    ),
    "MaskFeat": Tiny(
        {
            "type": "MaskFeat",
            "backbone": {**VIT, "type": "MaskFeatViT"},
            "head": {"type": "MaskFeatPretrainHead", "embed_dim": 32},
            "hog_para": {"nbins": 9, "pool": 4, "gaussian_window": 8},
        },
        masked(side=32, entries=4),
    ),
    "SimMIM": Tiny(
        {
            "type": "SimMIM",
            "backbone": {
                "type": "SimMIMSwinTransformer",
                "arch": {"embed_dims": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4]},
                "img_size": 64,
                "drop_path_rate": 0.0,
                "stage_cfgs": {"block_cfgs": {"window_size": 2}},
            },
            "neck": {"type": "SimMIMNeck", "in_channels": 64, "encoder_stride": 32},
            "head": {"type": "SimMIMHead", "patch_size": 4, "encoder_in_channels": 3},
        },
        masked(side=64, entries=16),
    ),
    "CAE": Tiny(
        {
            "type": "CAE",
            "backbone": {**VIT, "type": "CAEViT", "init_values": 0.1, "qkv_bias": False},
            "neck": {
                "type": "CAENeck",
                "num_classes": 16,
                "embed_dims": 32,
                "num_heads": 2,
                "regressor_depth": 1,
                "decoder_depth": 1,
                "init_values": 0.1,
            },
            "head": {
                "type": "CAEHead",
                "tokenizer_path": tokenizer_file(),
                "lambd": 2,
                "tokenizer": TOKENIZER,
            },
        },
        two_pictures,
    ),
    "MoCoV3": Tiny(
        {
            "type": "MoCoV3",
            "backbone": {**VIT, "stop_grad_conv1": True},
            "neck": {**NECK, "with_avg_pool": False, "vit_backbone": True},
            "head": {"type": "MoCoV3Head", "predictor": PREDICTOR, "temperature": 0.5},
        },
        two_views,
    ),
    "SwAV": Tiny(
        {
            "type": "SwAV",
            "backbone": RESNET,
            "neck": {"type": "SwAVNeck", "in_channels": 32, "hid_channels": 8, "out_channels": 4},
            "head": {
                "type": "SwAVHead",
                "feat_dim": 4,
                "num_crops": [2, 2],
                "num_prototypes": 5,
            },
        },
        crops,
    ),
    "DeepClusterV2": Tiny(
        {
            "type": "DeepClusterV2",
            "backbone": RESNET,
            "neck": {"type": "SwAVNeck", "in_channels": 32, "hid_channels": 8, "out_channels": 4},
            "head": {
                "type": "DeepClusterV2Head",
                "feat_dim": 4,
                "num_crops": [2, 2],
                "num_clusters": [3, 4],
                "temperature": 0.5,
                "bank_len": 12,
            },
        },
        crops,
        prepare=lambda model: model.head.cluster(0),
    ),
    "SparK": Tiny(
        {
            "type": "SparK",
            "backbone": {**RESNET, "out_indices": (1, 2, 4), "strides": (1, 2, 2, 1)},
            "neck": {
                "type": "SparKDecoder",
                "in_channels": [4, 8, 32],
                "patch_size": 16,
                "width": 16,
            },
            "head": {"type": "MAEPretrainHead", "norm_pix": True, "patch_size": 16},
            "mask_ratio": 0.5,
        },
        labelled,
        prepare=same_mask,
    ),
    "DINO": Tiny(
        {
            "type": "DINO",
            "backbone": RESNET,
            "neck": DINO_NECK,
            "head": {"type": "DINOHead", "feat_dim": 6},
        },
        crops,
    ),
    "IBOT": Tiny(
        {
            "type": "IBOT",
            "backbone": {**VIT, "type": "IBOTViT"},
            "neck": DINO_NECK,
            "head": {"type": "IBOTHead", "feat_dim": 6},
        },
        masked_crops,
    ),
    "DINOv2": Tiny(
        {
            "type": "DINOv2",
            "backbone": {
                **VIT,
                "type": "IBOTViT",
                "num_registers": 2,
                "layer_cfgs": {"init_values": 0.1},
            },
            "neck": DINO_NECK,
            "head": {"type": "IBOTHead", "feat_dim": 6, "centring": "sinkhorn"},
        },
        masked_crops,
    ),
    "RelativeLoc": Tiny(
        {
            "type": "RelativeLoc",
            "backbone": RESNET,
            "neck": {
                "type": "RelativeLocNeck",
                "in_channels": 32,
                "out_channels": 8,
                "norm_cfg": {"type": "SyncBN"},
            },
            "head": {"type": "ClsHead", "in_channels": 8, "num_classes": 8},
        },
        pairs,
        joined=False,  # dropout; without it: tests/distributed/test_swav.py
    ),
    "RotationPred": Tiny(
        {
            "type": "RotationPred",
            "backbone": RESNET,
            "head": {
                "type": "ClsHead",
                "with_avg_pool": True,
                "in_channels": 32,
                "num_classes": 4,
            },
        },
        rotations,
    ),
    "Classification": Tiny(
        {
            "type": "Classification",
            "backbone": RESNET,
            "head": {
                "type": "ClsHead",
                "with_avg_pool": True,
                "in_channels": 32,
                "num_classes": 3,
            },
        },
        labelled,
    ),
    "MMClsImageClassifierWrapper": Tiny(
        {
            "type": "MMClsImageClassifierWrapper",
            "backbone": {**RESNET, "type": "mmselfsup.ResNet"},
            "neck": {"type": "mmcls.GlobalAveragePooling"},
            "head": MMCLS_HEAD,
        },
        labelled,
    ),
    "MAE": Tiny(
        {
            "type": "MAE",
            "backbone": {**VIT, "type": "MAEViT"},
            "neck": {
                "type": "MAEPretrainDecoder",
                "num_patches": 16,
                "patch_size": 8,
                "embed_dim": 32,
                "decoder_embed_dim": 8,
                "decoder_depth": 1,
                "decoder_num_heads": 2,
            },
            "head": {"type": "MAEPretrainHead", "norm_pix": True, "patch_size": 8},
        },
        labelled,
        joined=False,  # masks
    ),
    "NPID": Tiny(
        {
            "type": "NPID",
            "backbone": RESNET,
            "neck": {"type": "LinearNeck", "in_channels": 32, "out_channels": 4},
            "head": {"type": "ContrastiveHead", "temperature": 0.5},
            "memory_bank": {"type": "SimpleMemory", "length": 12, "feat_dim": 4, "momentum": 0.5},
            "neg_num": 5,
        },
        labelled,
        joined=False,
    ),
    "DeepCluster": Tiny(
        {
            "type": "DeepCluster",
            "backbone": {**RESNET, "in_channels": 2},
            "neck": {"type": "AvgPool2dNeck"},
            "head": {"type": "ClsHead", "in_channels": 32, "num_classes": 3},
        },
        clustered,
    ),
    "ODC": Tiny(
        {
            "type": "ODC",
            "backbone": RESNET,
            "neck": {"type": "ODCNeck", "in_channels": 32, "hid_channels": 8, "out_channels": 4},
            "head": {"type": "ClsHead", "in_channels": 4, "num_classes": 3},
            "memory_bank": {
                "type": "ODCMemory",
                "length": 12,
                "feat_dim": 4,
                "momentum": 0.5,
                "num_classes": 3,
                "min_cluster": 1,
            },
        },
        clustered,
        joined=False,  # dropout
        prepare=fill_memory,
    ),
}
