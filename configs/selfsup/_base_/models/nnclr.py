_base_ = "resnet50.py"

model = dict(
    type="NNCLR",
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc-bn
        in_channels=2048,
        hid_channels=2048,
        out_channels=256,
        num_layers=3,
        with_last_bn=True,
        with_avg_pool=True,
    ),
    feat_dim=256,
    head=dict(
        type="NNCLRHead",
        temperature=0.1,
        predictor=dict(
            type="NonLinearNeck",  # fc-bn-relu-fc
            in_channels=256,
            hid_channels=4096,
            out_channels=256,
            num_layers=2,
            with_bias=True,
            with_last_bn=False,
            with_avg_pool=False,
        ),
    ),
)
