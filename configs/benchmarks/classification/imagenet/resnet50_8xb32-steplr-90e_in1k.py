_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/sgd_steplr-100e.py",
    "../_base_/default_runtime.py",
]

model = dict(backbone=dict(norm_cfg=dict(type="SyncBN")))

lr_config = dict(step=[30, 60, 90])
runner = dict(max_epochs=90)

# 0.x also had out_dir='s3://results' here, a bucket of its authors: no user can write there
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
