"""Names and shapes of the weights of methods with two encoders, as in :mod:``test_state_dict``."""

import pytest

from mmselfsup.models import build_algorithm
from tests.models.test_state_dict import SIMCLR_NECK, WIDTHS, linear, norm, resnet18, under, vit


def two_names(first, second, parts):
    """The same weights as ``first.0``, ``first.1`` and under the names of their roles."""
    table = {}
    for i, (role, weights) in enumerate(zip(("backbone", "neck"), parts, strict=True)):
        table |= under(f"{first}.{i}", weights)
        table |= under(f"{second}.{i}", weights) if second else {}
        table |= under(role, weights)
    return table


RESNET18 = {"type": "ResNet", "depth": 18}
MLP = linear("mlp.0", 64, 512) | linear("mlp.2", 32, 64)
MLP2 = {
    name.replace("mlp", "mlp2"): (*shape, 1, 1) if len(shape) == 2 else shape
    for name, shape in MLP.items()
}
BIASED = {**SIMCLR_NECK, "with_bias": True, "with_last_bn": False}
BIASED_NAMES = linear("fc0", 64, 512) | norm("bn0", 64) | linear("fc1", 32, 64, bias=False)
QUEUE = {"queue": (32, 16), "queue_ptr": (1,)}
QUEUE_CFG = {"queue_len": 16, "feat_dim": 32, "head": {"type": "ContrastiveHead"}}


MOCO_V3 = {**SIMCLR_NECK, "with_avg_pool": False, "with_last_bn_affine": False}


def without_affine(into):
    """A perceptron whose last normalisation has no weights."""
    last = {k: v for k, v in norm("bn1", 32).items() if "ing_" in k or "num_" in k}
    layers = linear("fc0", 64, into, bias=False) | linear("fc1", 32, 64, bias=False)
    return layers | norm("bn0", 64) | last


def predictor(into, width, out, **changes):
    cfg = {**BIASED, "in_channels": into, "hid_channels": width, "out_channels": out}
    return {
        "type": "LatentPredictHead",
        "predictor": {**cfg, "with_avg_pool": False, **changes},
    }


def predictor_names(into, width, out):
    return under(
        "head.predictor",
        linear("fc0", width, into) | norm("bn0", width) | linear("fc1", out, width, bias=False),
    )


CASES = {
    "mocov1": (
        {
            "type": "MoCo",
            "backbone": RESNET18,
            "neck": {"type": "LinearNeck", "in_channels": 512, "out_channels": 32},
            **QUEUE_CFG,
        },
        two_names("encoder_q", "encoder_k", (resnet18(), linear("fc", 32, 512))) | QUEUE,
    ),
    "mocov2": (
        {
            "type": "MoCo",
            "backbone": RESNET18,
            "neck": {"type": "MoCoV2Neck", **WIDTHS},
            **QUEUE_CFG,
        },
        two_names("encoder_q", "encoder_k", (resnet18(), MLP)) | QUEUE,
    ),
    "interclr": (
        {
            "type": "InterCLRMoCo",
            "backbone": RESNET18,
            "neck": {"type": "MoCoV2Neck", **WIDTHS},
            **QUEUE_CFG,
            "memory_bank": {
                "type": "InterCLRMemory",
                "length": 24,
                "feat_dim": 32,
                "momentum": 1.0,
                "num_classes": 5,
                "min_cluster": 2,
            },
        },
        two_names("encoder_q", "encoder_k", (resnet18(), MLP))
        | QUEUE
        | {  # in 0.x it was not in the checkpoint
            "memory_bank.feature_bank": (24, 32),
            "memory_bank.label_bank": (24,),
            "memory_bank.centroids": (5, 32),
        },
    ),
    "densecl": (
        {
            "type": "DenseCL",
            "backbone": RESNET18,
            "neck": {"type": "DenseCLNeck", **WIDTHS},
            **QUEUE_CFG,
        },
        {
            name: shape
            for name, shape in two_names("encoder_q", "encoder_k", (resnet18(), MLP | MLP2)).items()
            if not name.startswith("neck.")
        }
        | QUEUE
        | {"queue2": (32, 16), "queue2_ptr": (1,)},
    ),
    "byol": (
        {
            "type": "BYOL",
            "backbone": RESNET18,
            "neck": BIASED,
            "head": predictor(32, 64, 32),
        },
        two_names("online_net", "target_net", (resnet18(), BIASED_NAMES))
        | predictor_names(32, 64, 32),
    ),
    "mocov3": (
        {
            "type": "MoCoV3",
            "backbone": {"type": "VisionTransformer", "arch": "mocov3-small", "img_size": 64},
            "neck": {**MOCO_V3, "in_channels": 384, "vit_backbone": True},
            "head": {"type": "MoCoV3Head", "predictor": {**MOCO_V3, "in_channels": 32}},
        },
        two_names(
            "base_encoder",
            "momentum_encoder",
            (vit(384, 12, 1536, tokens=17, patch=16), without_affine(384)),
        )
        | under("head.predictor", without_affine(32)),
    ),
    "simsiam": (
        {
            "type": "SimSiam",
            "backbone": RESNET18,
            "neck": {**SIMCLR_NECK, "with_last_bn_affine": False},
            "head": predictor(32, 64, 32, with_last_bias=True),
        },
        two_names(
            "encoder",
            None,
            (
                resnet18(),
                without_affine(512),
            ),
        )
        | predictor_names(32, 64, 32)
        | {"head.predictor.fc1.bias": (32,)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_names_and_shapes(case):
    cfg, expected = CASES[case]
    got = {name: tuple(value.shape) for name, value in build_algorithm(cfg).state_dict().items()}
    assert got == expected
