model = dict(
    type="MSN",
    base_momentum=0.996,
    mask_ratio=0.15,  # of the student's views
    backbone=dict(type="MSNViT", arch="deit-small", img_size=224, patch_size=16),
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc
        in_channels=384,
        hid_channels=2048,
        out_channels=256,
        num_layers=3,
        with_last_bn=False,
    ),
    head=dict(
        type="MSNHead",
        feat_dim=256,  # the neck's out_channels
        num_prototypes=1024,
        temperature=0.1,
        target_temperature=0.025,
        sinkhorn_iterations=3,
        prior_weight=1.0,
    ),
)
