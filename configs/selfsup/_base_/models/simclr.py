_base_ = "resnet50.py"

model = dict(
    type="SimCLR",
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        num_layers=2,
        with_avg_pool=True,
    ),
    head=dict(type="ContrastiveHead", temperature=0.1),
)
