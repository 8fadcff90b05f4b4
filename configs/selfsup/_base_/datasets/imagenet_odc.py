data_source = "ImageNet"
dataset_type = "DeepClusterDataset"
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type="RandomResizedCrop", size=224),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomRotation", degrees=2),
    dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=1.0, hue=0.5),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
extract_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]

# True: the loader delivers uint8 and the device normalises
prefetch = False

data = dict(
    samples_per_gpu=64,  # 8 GPUs: a batch of 512
    replace=True,  # draw with replacement
    workers_per_gpu=4,
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
)

num_classes = 10000
custom_hooks = [
    dict(
        type="DeepClusterHook",
        extractor=dict(
            samples_per_gpu=128,
            workers_per_gpu=8,
            dataset=dict(
                type=dataset_type,
                data_source=dict(
                    type=data_source,
                    data_prefix="data/imagenet/train",
                    ann_file="data/imagenet/meta/train.txt",
                ),
                pipeline=extract_pipeline,
                prefetch=prefetch,
            ),
            prefetch=prefetch,
            img_norm_cfg=img_norm_cfg,
        ),
        clustering=dict(type="Kmeans", k=num_classes, pca_dim=-1),  # no whitening
        unif_sampling=False,
        reweight=True,
        reweight_pow=0.5,
        init_memory=True,
        initial=True,
        interval=9999999999,  # epochs: only before the first
    ),
    dict(
        type="ODCHook",
        centroids_update_interval=10,  # iterations
        deal_with_small_clusters_interval=1,
        evaluate_interval=50,
        reweight=True,
        reweight_pow=0.5,
    ),
]
