_base_ = "resnet50.py"

model = dict(
    type="Distillation",
    teacher=dict(
        backbone=dict(
            type="ResNet",
            depth=101,
            in_channels=3,
            out_indices=[4],
            norm_cfg=dict(type="BN"),
        ),
        checkpoint=None,  # the file of the teacher's weights
    ),
    head=dict(
        type="FeatureDistillationHead",
        in_channels=2048,  # of the student
        out_channels=2048,  # of the teacher
        map_weight=1.0,
    ),
)
