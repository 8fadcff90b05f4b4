model = dict(
    type="NNCLR",
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
        zero_init_residual=True,
    ),
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
