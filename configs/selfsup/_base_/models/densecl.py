model = dict(
    type="DenseCL",
    queue_len=65536,
    feat_dim=128,
    momentum=0.999,
    loss_lambda=0.5,
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="BN"),
    ),
    neck=dict(
        type="DenseCLNeck",
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        num_grid=None,  # all places of the last feature map
    ),
    head=dict(type="ContrastiveHead", temperature=0.2),
)
