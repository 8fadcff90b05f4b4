_base_ = "mocov3_vit-small-p16.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
        zero_init_residual=True,
    ),
    neck=dict(in_channels=2048, num_layers=2, with_avg_pool=True, vit_backbone=False),
    head=dict(temperature=1.0),  # the value of the authors for ResNet-50
)
