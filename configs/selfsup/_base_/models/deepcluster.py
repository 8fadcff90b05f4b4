model = dict(
    type="DeepCluster",
    with_sobel=False,  # the default, True, does not fit three channels
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="BN"),
    ),
    neck=dict(type="AvgPool2dNeck"),
    head=dict(type="ClsHead", with_avg_pool=False, in_channels=2048, num_classes=10000),
)
