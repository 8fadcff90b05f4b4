model = dict(
    type="MoCo",
    queue_len=65536,
    feat_dim=128,
    momentum=0.999,
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="BN"),
    ),
    neck=dict(type="LinearNeck", in_channels=2048, out_channels=128, with_avg_pool=True),
    head=dict(type="ContrastiveHead", temperature=0.07),
)
