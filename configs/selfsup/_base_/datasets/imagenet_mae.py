_base_ = "../../../_base_/imagenet.py"

dataset_type = "SingleViewDataset"
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0), interpolation=3),  # bicubic
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
data = dict(
    samples_per_gpu=512,  # 8 GPUs: a batch of 4,096
    workers_per_gpu=32,
    train=dict(type=dataset_type, pipeline=train_pipeline),
)
