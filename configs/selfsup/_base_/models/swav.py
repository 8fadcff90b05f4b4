_base_ = "resnet50.py"

model = dict(
    type="SwAV",
    neck=dict(
        type="SwAVNeck",  # fc-bn-relu-fc, unit length
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        with_avg_pool=True,
    ),
    head=dict(
        type="SwAVHead",
        feat_dim=128,  # the neck's out_channels
        epsilon=0.05,
        temperature=0.1,
        num_crops=[2, 6],  # the data's num_views
    ),
)
