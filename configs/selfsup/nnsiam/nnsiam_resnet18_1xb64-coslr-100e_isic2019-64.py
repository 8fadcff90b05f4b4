_base_ = [
    "../_base_/models/nnsiam.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    feat_dim=512,
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512, out_channels=512),
    head=dict(predictor=dict(in_channels=512, hid_channels=128, out_channels=512)),
)

data = dict(samples_per_gpu=64)
# The predictor keeps its rate.
lr = 0.06
optimizer = dict(lr=lr, weight_decay=5e-4, paramwise_options={"predictor": dict(fix_lr=True)})
custom_hooks = [dict(type="SimSiamHook", priority="HIGH", fix_pred_lr=True, lr=lr)]
runner = dict(max_epochs=100)
