_base_ = [
    "../_base_/models/vicregl.py",
    "../_base_/datasets/isic2019_located.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# A projection of 2048: wider than the features of ISIC need, narrow enough for a small machine.
model = dict(neck=dict(hid_channels=2048, out_channels=2048))

# The loss is a sum of large terms: AdamW's steps do not grow with its gradients.
optimizer = dict(_delete_=True, type="AdamW", lr=5e-4, weight_decay=1e-4)
lr_config = dict(warmup="linear", warmup_iters=10, warmup_ratio=1e-2, warmup_by_epoch=True)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
