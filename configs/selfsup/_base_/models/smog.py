_base_ = "resnet50.py"

model = dict(
    type="SMoG",
    base_momentum=0.99,
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        num_layers=2,
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(
        type="SMoGHead",
        feat_dim=128,  # the neck's out_channels
        num_groups=256,  # the paper: 3000 for ImageNet
        temperature=0.1,
        beta=0.99,
        queue_len=None,  # from the data: 4096 for 20,000 images
        predictor=dict(
            type="NonLinearNeck",  # fc-bn-relu-fc
            in_channels=128,
            hid_channels=2048,
            out_channels=128,
            num_layers=2,
            with_last_bn=False,
            with_avg_pool=False,
        ),
    ),
)
