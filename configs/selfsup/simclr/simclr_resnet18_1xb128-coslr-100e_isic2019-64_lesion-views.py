# As ..._isic2019-64.py, with views for dermoscopy.
_base_ = [
    "../_base_/models/simclr.py",
    "../_base_/datasets/isic2019-64_lesion-views.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(temperature=0.2),
)

# LARS is meant for large batches; at 128 images plain SGD learns faster in few epochs.
optimizer = dict(_delete_=True, type="SGD", lr=0.12, momentum=0.9, weight_decay=5e-4)
lr_config = dict(warmup_iters=1)
runner = dict(max_epochs=100)
