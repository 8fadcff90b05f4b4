_base_ = [
    "../_base_/models/deepcluster.py",
    "../_base_/datasets/imagenet_deepcluster.py",
    "../_base_/schedules/sgd_steplr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# The classifier restarts with every clustering: no momentum for it.
optimizer = dict(
    lr=0.1, momentum=0.9, weight_decay=1e-5, paramwise_options={"\\Ahead.": dict(momentum=0.0)}
)
lr_config = dict(policy="step", step=[400])

# runtime settings
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
