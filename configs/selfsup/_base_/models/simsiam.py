_base_ = "resnet50.py"

model = dict(
    type="SimSiam",
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc-bn
        in_channels=2048,
        hid_channels=2048,
        out_channels=2048,
        num_layers=3,
        with_last_bn_affine=False,
        with_avg_pool=True,
    ),
    head=dict(
        type="LatentPredictHead",
        predictor=dict(
            type="NonLinearNeck",  # fc-bn-relu-fc
            in_channels=2048,
            hid_channels=512,
            out_channels=2048,
            with_avg_pool=False,
            with_last_bn=False,
            with_last_bias=True,
        ),
    ),
)
