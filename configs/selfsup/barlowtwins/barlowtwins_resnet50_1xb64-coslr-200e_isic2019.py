_base_ = [
    "../_base_/models/barlowtwins.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# A projection of 2048: wider than the features of ISIC need, narrow enough for a small machine.
model = dict(
    neck=dict(hid_channels=2048, out_channels=2048),
    head=dict(in_channels=2048),
)

# LARS is meant for large batches. The loss is a sum over the entries of the matrix, so its gradient
# is large and the learning rate small.
optimizer = dict(lr=0.003)
lr_config = dict(warmup="linear", warmup_iters=10, warmup_ratio=1e-2, warmup_by_epoch=True)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
