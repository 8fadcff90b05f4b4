_base_ = [
    "../_base_/models/resnet50_multihead.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/sgd_steplr-100e.py",
    "../_base_/default_runtime.py",
]

img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type="RandomResizedCrop", size=224),
    dict(type="RandomHorizontalFlip"),
    dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.0),
    dict(type="ToTensor"),
    dict(type="Lighting"),
    dict(type="Normalize", **img_norm_cfg),
]
data = dict(train=dict(pipeline=train_pipeline))

optimizer = dict(lr=0.01, nesterov=True, paramwise_options=dict(norm_decay_mult=0.0))
lr_config = dict(step=[30, 60, 90])
runner = dict(max_epochs=90)

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
