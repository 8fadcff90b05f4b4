_base_ = [
    "../_base_/models/nnsiam.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=64)
# The predictor keeps its rate: 0.05 for every 256 images (SimSiam, section 3).
lr = 0.0125
optimizer = dict(lr=lr, paramwise_options={"predictor": dict(fix_lr=True)})
custom_hooks = [dict(type="SimSiamHook", priority="HIGH", fix_pred_lr=True, lr=lr)]

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
