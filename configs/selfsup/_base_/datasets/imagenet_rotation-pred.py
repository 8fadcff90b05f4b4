data_source = "ImageNet"
dataset_type = "RotationPredDataset"
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type="RandomResizedCrop", size=224),
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
test_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]

# True: the loader delivers uint8 and the device normalises
prefetch = False

data = dict(
    samples_per_gpu=16,  # 8 GPUs: a batch of 128, each image 4 times
    workers_per_gpu=2,
    train=dict(
        type=dataset_type,
        data_source=dict(
            type=data_source,
            data_prefix="data/imagenet/train",
            ann_file="data/imagenet/meta/train.txt",
        ),
        pipeline=train_pipeline,
        prefetch=prefetch,
    ),
    val=dict(
        type=dataset_type,
        data_source=dict(
            type=data_source,
            data_prefix="data/imagenet/val",
            ann_file="data/imagenet/meta/val.txt",
        ),
        pipeline=test_pipeline,
        prefetch=prefetch,
    ),
)
