_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/cifar10.py",
    "../_base_/schedules/sgd_steplr-100e.py",
    "../_base_/default_runtime.py",
]

model = dict(head=dict(num_classes=10))

optimizer = dict(lr=0.1, weight_decay=5e-4)
lr_config = dict(step=[150, 250])
runner = dict(max_epochs=350)

checkpoint_config = dict(interval=50)
