_base_ = "resnet50.py"

model = dict(
    type="TiCo",
    base_momentum=0.99,
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc
        in_channels=2048,
        hid_channels=4096,
        out_channels=256,
        num_layers=2,
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(type="TiCoHead", feat_dim=256, beta=0.9, rho=20.0),
)
