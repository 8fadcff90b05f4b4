model = dict(
    type="SMoG",
    base_momentum=0.99,
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
        zero_init_residual=True,
    ),
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
