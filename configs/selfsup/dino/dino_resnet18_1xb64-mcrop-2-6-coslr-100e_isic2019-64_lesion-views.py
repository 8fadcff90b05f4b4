# As ..._isic2019-64.py, with views for dermoscopy.
_base_ = [
    "../_base_/models/dino.py",
    "../_base_/datasets/isic2019-64_lesion-views-mcrop-2-6.py",
    "../_base_/schedules/dino_adamw_coslr-200e.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    base_momentum=0.99,  # few iterations: the teacher must change faster
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512, out_channels=1024),
    head=dict(feat_dim=1024),
)

optimizer = dict(lr=5e-4)
optimizer_config = dict(frozen_layers_cfg=dict(last_layer=30))
lr_config = dict(warmup_iters=5)
runner = dict(max_epochs=100)
