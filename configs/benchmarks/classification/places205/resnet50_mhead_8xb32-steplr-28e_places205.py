_base_ = [
    "../_base_/models/resnet50_multihead.py",
    "../_base_/datasets/places205.py",
    "../_base_/schedules/sgd_steplr-100e.py",
    "../_base_/default_runtime.py",
]

model = dict(head=dict(num_classes=205))

optimizer = dict(lr=0.01, nesterov=True, paramwise_options=dict(norm_decay_mult=0.0))
lr_config = dict(step=[7, 14, 21])
runner = dict(max_epochs=28)

checkpoint_config = dict(interval=1, max_keep_ckpts=3)
