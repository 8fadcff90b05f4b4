model = dict(
    type="TiCo",
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
        hid_channels=4096,
        out_channels=256,
        num_layers=2,
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(type="TiCoHead", feat_dim=256, beta=0.9, rho=20.0),
)
