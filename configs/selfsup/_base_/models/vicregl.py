_base_ = "vicreg.py"

model = dict(
    type="VICRegL",
    local_neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc, of each place
        in_channels=2048,
        hid_channels=512,
        out_channels=512,
        num_layers=3,
        with_last_bn=False,
        with_avg_pool=False,
    ),
    head=dict(type="VICRegLHead", alpha=0.75, num_matches=20),
)
