_base_ = "dino.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="VisionTransformer",
        arch="deit-small",
        img_size=224,
        patch_size=16,
        drop_path_rate=0.1,  # of the student
    ),
    neck=dict(in_channels=384),
)
