_base_ = [
    "../_base_/models/fastsiam.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=32, train=dict(num_views=[4]))
# The predictor keeps its rate.
lr = 0.0125
optimizer = dict(lr=lr, paramwise_options={"predictor": dict(fix_lr=True)})
custom_hooks = [dict(type="SimSiamHook", priority="HIGH", fix_pred_lr=True, lr=lr)]
runner = dict(max_epochs=100)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
