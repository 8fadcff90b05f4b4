"""Names and shapes of the weights, on which old checkpoints depend."""

import pytest

from mmselfsup.models import build_algorithm

BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def norm(name, width):
    return {f"{name}.{part}": () if part == "num_batches_tracked" else (width,) for part in BN}


def conv_norm(prefix, number, shape):
    conv = {f"{prefix}conv{number}.weight": shape}
    return {**conv, **norm(f"{prefix}bn{number}", shape[0])}


def shortcut(prefix, shape, at=0):
    name = f"{prefix}downsample."
    return {f"{name}{at}.weight": shape, **norm(f"{name}{at + 1}", shape[0])}


def resnet18(in_channels=3):
    table = conv_norm("", 1, (64, in_channels, 7, 7))
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            prefix = f"layer{stage}.{block}."
            table |= conv_norm(prefix, 1, (width, before, 3, 3))
            table |= conv_norm(prefix, 2, (width, width, 3, 3))
            if before != width:
                table |= shortcut(prefix, (width, before, 1, 1))
            before = width
    return table


def vit(width, layers, hidden, tokens, patch):
    """A plain vision transformer; ``tokens`` counts the class token."""
    table = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, tokens, width),
        "patch_embed.projection.weight": (width, 3, patch, patch),
        "patch_embed.projection.bias": (width,),
    }
    for i in range(layers):
        block = transformer_block(width, hidden)
        table |= under(f"layers.{i}", block)
    return table | {"ln1.weight": (width,), "ln1.bias": (width,)}


def transformer_block(width, hidden):
    table = {f"{name}.{part}": (width,) for name in ("ln1", "ln2") for part in ("weight", "bias")}
    return (
        table
        | linear("attn.qkv", 3 * width, width)
        | linear("attn.proj", width, width)
        | linear("ffn.layers.0.0", hidden, width)
        | linear("ffn.layers.1", width, hidden)
    )


def bottlenecks(widths, group_width=None, avg_down=False):
    """The stages of depth 50; ``widths`` are the channels of the middle convolutions."""
    table, before = {}, 64
    for stage, (width, blocks) in enumerate(zip(widths, (3, 4, 6, 3), strict=True), start=1):
        out = 256 * 2 ** (stage - 1)
        for block in range(blocks):
            prefix = f"layer{stage}.{block}."
            table |= conv_norm(prefix, 1, (width, before, 1, 1))
            inner = width if group_width is None else group_width * 2 ** (stage - 1)
            table |= conv_norm(prefix, 2, (width, inner, 3, 3))
            table |= conv_norm(prefix, 3, (out, width, 1, 1))
            if block == 0:
                # avg_down puts a pooling layer before the convolution where there is a stride
                table |= shortcut(prefix, (out, before, 1, 1), at=int(avg_down and stage > 1))
            before = out
    return table


def deep_stem():
    table = {}
    for i, (out, into) in enumerate(((32, 3), (32, 32), (64, 32))):
        table |= {f"stem.{i}.conv.weight": (out, into, 3, 3), **norm(f"stem.{i}.bn", out)}
    return table


def under(prefix, table):
    return {f"{prefix}.{name}": shape for name, shape in table.items()}


def linear(name, out, into, bias=True):
    return {f"{name}.weight": (out, into), **({f"{name}.bias": (out,)} if bias else {})}


def multi_head(stages):
    table = {}
    for i, (channels, width) in enumerate(stages):
        table |= norm(f"head.norms.{i}", channels) | linear(f"head.fcs.{i}", 8, width)
    return table


CLS_HEAD = {"type": "ClsHead", "with_avg_pool": True, "in_channels": 512, "num_classes": 8}
WIDTHS = {"in_channels": 512, "hid_channels": 64, "out_channels": 32}
SIMCLR_NECK = {"type": "NonLinearNeck", **WIDTHS, "norm_cfg": {"type": "BN1d"}}
CASES = {
    "simclr": (
        {
            "type": "SimCLR",
            "backbone": {"type": "ResNet", "depth": 18},
            "neck": SIMCLR_NECK,
            "head": {"type": "ContrastiveHead"},
        },
        under("backbone", resnet18())
        | linear("neck.fc0", 64, 512, bias=False)
        | norm("neck.bn0", 64)
        | linear("neck.fc1", 32, 64, bias=False)
        | norm("neck.bn1", 32),
    ),
    "barlow twins": (
        {
            "type": "BarlowTwins",
            "backbone": {"type": "ResNet", "depth": 18},
            "neck": {**SIMCLR_NECK, "num_layers": 3, "with_last_bn": False},
            "head": {"type": "LatentCrossCorrelationHead", "in_channels": 32},
        },
        under("backbone", resnet18())
        | linear("neck.fc0", 64, 512, bias=False)
        | norm("neck.bn0", 64)
        | linear("neck.fc1", 64, 64, bias=False)
        | norm("neck.bn1", 64)
        | linear("neck.fc2", 32, 64, bias=False)
        | {
            "head.bn.running_mean": (32,),
            "head.bn.running_var": (32,),
            "head.bn.num_batches_tracked": (),
        },
    ),
    "swav": (
        {
            "type": "SwAV",
            "backbone": {"type": "ResNet", "depth": 18},
            "neck": {"type": "SwAVNeck", **WIDTHS, "norm_cfg": {"type": "BN1d"}},
            "head": {"type": "SwAVHead", "feat_dim": 32, "num_prototypes": 24},
        },
        under("backbone", resnet18())
        | norm("neck.bn", 64)
        | linear("neck.projection_neck.0", 64, 512)
        | norm("neck.projection_neck.1", 64)
        | linear("neck.projection_neck.3", 32, 64)
        | linear("head.prototypes", 24, 32, bias=False),
    ),
    "relative location": (
        {
            "type": "RelativeLoc",
            "backbone": {"type": "ResNet", "depth": 18},
            "neck": {"type": "RelativeLocNeck", "in_channels": 512, "out_channels": 64},
            "head": {"type": "ClsHead", "in_channels": 64, "num_classes": 8},
        },
        under("backbone", resnet18())
        | linear("neck.fc", 64, 1024)
        | norm("neck.bn", 64)
        | linear("head.fc_cls", 8, 64),
    ),
    "rotation prediction": (
        {
            "type": "RotationPred",
            "backbone": {"type": "ResNet", "depth": 18},
            "head": {**CLS_HEAD, "num_classes": 4},
        },
        under("backbone", resnet18()) | linear("head.fc_cls", 4, 512),
    ),
    "classification": (
        {"type": "Classification", "backbone": {"type": "ResNet", "depth": 18}, "head": CLS_HEAD},
        under("backbone", resnet18()) | linear("head.fc_cls", 8, 512),
    ),
    "edges": (
        {
            "type": "Classification",
            "with_sobel": True,
            "backbone": {"type": "ResNet", "depth": 18, "in_channels": 2},
            "head": CLS_HEAD,
        },
        under("backbone", resnet18(2))
        | linear("head.fc_cls", 8, 512)
        | {
            "sobel_layer.sobel.0.weight": (1, 3, 1, 1),
            "sobel_layer.sobel.0.bias": (1,),
            "sobel_layer.sobel.1.weight": (2, 1, 3, 3),
            "sobel_layer.sobel.1.bias": (2,),
        },
    ),
    "resnext": (
        {
            "type": "Classification",
            "backbone": {"type": "ResNeXt", "depth": 50, "groups": 32, "width_per_group": 4},
            "head": {**CLS_HEAD, "in_channels": 2048},
        },
        under("backbone", conv_norm("", 1, (64, 3, 7, 7)))
        | under("backbone", bottlenecks((128, 256, 512, 1024), group_width=4))
        | linear("head.fc_cls", 8, 2048),
    ),
    "resnet-d, all stages": (
        {
            "type": "Classification",
            "backbone": {"type": "ResNetV1d", "depth": 50, "out_indices": [0, 1, 2, 3, 4]},
            "head": {"type": "MultiClsHead", "in_indices": [0, 1, 2, 3, 4], "num_classes": 8},
        },
        under("backbone", deep_stem() | bottlenecks((64, 128, 256, 512), avg_down=True))
        | multi_head(((64, 9216), (256, 9216), (512, 8192), (1024, 9216), (2048, 8192))),
    ),
}

CLUSTERS = {"type": "ClsHead", "with_avg_pool": False, "num_classes": 5}
CASES["npid"] = (
    {
        "type": "NPID",
        "backbone": {"type": "ResNet", "depth": 18},
        "neck": {"type": "LinearNeck", "in_channels": 512, "out_channels": 32},
        "head": {"type": "ContrastiveHead"},
        "memory_bank": {"type": "SimpleMemory", "length": 16, "feat_dim": 32, "momentum": 0.5},
    },
    under("backbone", resnet18())
    | linear("neck.fc", 32, 512)
    | {"memory_bank.feature_bank": (16, 32)},  # in 0.x it was not in the checkpoint
)
CASES["odc"] = (
    {
        "type": "ODC",
        "backbone": {"type": "ResNet", "depth": 18},
        "neck": {"type": "ODCNeck", **WIDTHS, "norm_cfg": {"type": "BN1d"}},
        "head": {**CLUSTERS, "in_channels": 32},
        "memory_bank": {
            "type": "ODCMemory",
            "length": 16,
            "feat_dim": 32,
            "momentum": 0.5,
            "num_classes": 5,
            "min_cluster": 2,
        },
    },
    under("backbone", resnet18())
    | linear("neck.fc0", 64, 512)
    | {
        "neck.bn0.running_mean": (64,),
        "neck.bn0.running_var": (64,),
        "neck.bn0.num_batches_tracked": (),
    }
    | linear("neck.fc1", 32, 64)
    | linear("head.fc_cls", 5, 32)
    | {
        "memory_bank.feature_bank": (16, 32),
        "memory_bank.label_bank": (16,),
        "memory_bank.centroids": (5, 32),
    },
)
CASES["deepcluster"] = (
    {
        "type": "DeepCluster",
        "backbone": {"type": "ResNet", "depth": 18, "in_channels": 2},
        "neck": {"type": "AvgPool2dNeck"},
        "head": {**CLUSTERS, "in_channels": 512},
    },
    under("backbone", resnet18(2))
    | linear("head.fc_cls", 5, 512)
    | {name: shape for name, shape in CASES["edges"][1].items() if name.startswith("sobel_layer")},
)

SIMCLR, SIMCLR_NAMES = CASES["simclr"]
CASES["simclr, synchronised"] = (
    {
        **SIMCLR,
        "backbone": {**SIMCLR["backbone"], "norm_cfg": {"type": "SyncBN"}},
        "neck": {**SIMCLR_NECK, "norm_cfg": {"type": "SyncBN"}},
    },
    SIMCLR_NAMES,
)


DEIT_TINY = vit(192, 12, 768, tokens=17, patch=16)
NORM = {f"ln1.{part}": (64,) for part in ("weight", "bias")}
CASES["mae"] = (
    {
        "type": "MAE",
        "backbone": {"type": "MAEViT", "arch": "deit-tiny", "img_size": 64},
        "neck": {
            "type": "MAEPretrainDecoder",
            "num_patches": 16,
            "embed_dim": 192,
            "decoder_embed_dim": 64,
            "decoder_depth": 1,
            "decoder_num_heads": 4,
        },
        "head": {"type": "MAEPretrainHead"},
    },
    under("backbone", DEIT_TINY)
    | under(
        "neck",
        {"mask_token": (1, 1, 64), "decoder_pos_embed": (1, 17, 64)}
        | linear("decoder_embed", 64, 192)
        | under("decoder_blocks.0", transformer_block(64, 256))
        | NORM
        | linear("decoder_pred", 768, 64),
    ),
)
CASES["fine-tuned transformer"] = (
    {
        "type": "Classification",
        "backbone": {
            "type": "MIMVisionTransformer",
            "arch": "deit-tiny",
            "img_size": 64,
            "final_norm": False,
        },
        "head": {"type": "MAEFinetuneHead", "embed_dim": 192, "num_classes": 8},
    },
    under(
        "backbone",
        {k.replace("ln1", "fc_norm") if k[:3] == "ln1" else k: v for k, v in DEIT_TINY.items()},
    )
    | linear("head.head", 8, 192),
)


@pytest.mark.parametrize("case", CASES)
def test_names_and_shapes(case):
    cfg, expected = CASES[case]
    got = {name: tuple(value.shape) for name, value in build_algorithm(cfg).state_dict().items()}
    assert got == expected
