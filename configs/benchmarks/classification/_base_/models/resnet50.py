model = dict(
    type="Classification",
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        num_stages=4,
        strides=(1, 2, 2, 2),
        dilations=(1, 1, 1, 1),
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="BN"),
        frozen_stages=-1,  # 4 freezes the whole backbone
    ),
    head=dict(type="ClsHead", with_avg_pool=True, in_channels=2048, num_classes=1000),
)
train_cfg = {}
test_cfg = {}
