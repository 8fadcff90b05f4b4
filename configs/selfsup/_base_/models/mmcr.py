model = dict(
    type="MMCR",
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
        zero_init_residual=True,
    ),
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc
        in_channels=2048,
        hid_channels=8192,
        out_channels=512,
        num_layers=3,
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(type="MMCRHead"),
)
