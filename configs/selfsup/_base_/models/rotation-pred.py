model = dict(
    type="RotationPred",
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
    ),
    head=dict(type="ClsHead", with_avg_pool=True, in_channels=2048, num_classes=4),
)
