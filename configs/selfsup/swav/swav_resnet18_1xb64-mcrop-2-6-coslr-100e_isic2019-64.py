_base_ = [
    "../_base_/models/swav.py",
    "../_base_/datasets/isic2019-64_swav_mcrop-2-6.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    # Sharp codes: at 0.05 the projections fall together, and the loss stays at log K.
    head=dict(num_prototypes=60, epsilon=0.02),
)
custom_hooks = [
    dict(
        type="SwAVHook",
        priority="VERY_HIGH",
        batch_size=64,
        epoch_queue_starts=1,
        crops_for_assign=[0, 1],
        feat_dim=128,
        queue_length=256,
    )
]

# LARS is meant for large batches; at 64 images plain SGD learns faster in few epochs.
optimizer = dict(lr=0.03, weight_decay=1e-4)
optimizer_config = dict(frozen_layers_cfg=dict(prototypes=10))
lr_config = dict(warmup="linear", warmup_iters=30, warmup_ratio=0.1)  # iterations
runner = dict(max_epochs=100)
