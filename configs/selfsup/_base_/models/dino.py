_base_ = "resnet50.py"

model = dict(
    type="DINO",
    base_momentum=0.996,
    neck=dict(
        type="DINONeck",  # fc-gelu-fc-gelu-fc, unit length, weight-normalised fc
        in_channels=2048,
        hid_channels=2048,
        bottleneck_channels=256,
        out_channels=4096,  # 65536 for ImageNet
    ),
    head=dict(
        type="DINOHead",
        feat_dim=4096,  # the neck's out_channels
        num_global=2,  # the first of the data's num_views
        student_temperature=0.1,
        teacher_temperature=0.04,
        centring="mean",
    ),
)
