_base_ = "resnet50.py"

model = dict(
    type="ReSSL",
    base_momentum=0.99,
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc
        in_channels=2048,
        hid_channels=4096,
        out_channels=512,
        num_layers=2,
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(
        type="ReSSLHead",
        feat_dim=512,  # the neck's out_channels
        queue_len=None,  # from the data: 4096 for 20,000 images
        student_temperature=0.1,
        teacher_temperature=0.04,
    ),
)
