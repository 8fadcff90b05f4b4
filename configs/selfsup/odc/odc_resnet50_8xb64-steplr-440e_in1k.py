_base_ = [
    "../_base_/models/odc.py",
    "../_base_/datasets/imagenet_odc.py",
    "../_base_/schedules/sgd_steplr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# The classifier changes with the clusters: no momentum for it.
optimizer = dict(lr=0.06, weight_decay=1e-5, paramwise_options={"\\Ahead.": dict(momentum=0.0)})
lr_config = dict(policy="step", step=[400], gamma=0.4)

# runtime settings
runner = dict(type="EpochBasedRunner", max_epochs=440)
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
