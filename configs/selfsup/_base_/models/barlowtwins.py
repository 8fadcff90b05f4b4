_base_ = "resnet50.py"

model = dict(
    type="BarlowTwins",
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc
        in_channels=2048,
        hid_channels=8192,
        out_channels=8192,
        num_layers=3,
        with_last_bn=False,
        with_last_bn_affine=False,
        with_avg_pool=True,
        init_cfg=dict(type="Kaiming", distribution="uniform", layer=["Linear"]),
    ),
    head=dict(type="LatentCrossCorrelationHead", in_channels=8192),
)
