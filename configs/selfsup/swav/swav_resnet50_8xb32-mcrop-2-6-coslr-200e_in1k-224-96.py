_base_ = [
    "../_base_/models/swav.py",
    "../_base_/datasets/imagenet_swav_mcrop-2-6.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

custom_hooks = [
    dict(
        type="SwAVHook",
        priority="VERY_HIGH",
        batch_size=32,
        epoch_queue_starts=15,
        crops_for_assign=[0, 1],
        feat_dim=128,
        queue_length=3840,
    )
]

optimizer = dict(type="LARS", lr=0.6)
# iterations without a gradient for the prototypes: the first epoch
optimizer_config = dict(frozen_layers_cfg=dict(prototypes=5005))
lr_config = dict(_delete_=True, policy="CosineAnnealing", min_lr=6e-4)

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
