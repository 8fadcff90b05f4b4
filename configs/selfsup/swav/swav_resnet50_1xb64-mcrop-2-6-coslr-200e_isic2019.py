_base_ = [
    "../_base_/models/swav.py",
    "../_base_/datasets/isic2019_swav_mcrop-2-6.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# 20,000 images fill fewer clusters than ImageNet's million, and a short queue stays fresh.
model = dict(head=dict(num_prototypes=200))
custom_hooks = [
    dict(
        type="SwAVHook",
        priority="VERY_HIGH",
        batch_size=64,
        epoch_queue_starts=15,
        crops_for_assign=[0, 1],
        feat_dim=128,
        queue_length=256,
    )
]

optimizer = dict(lr=0.15)  # 0.6 for every 256 images
optimizer_config = dict(frozen_layers_cfg=dict(prototypes=313))  # about an epoch
lr_config = dict(_delete_=True, policy="CosineAnnealing", min_lr=1.5e-4)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
