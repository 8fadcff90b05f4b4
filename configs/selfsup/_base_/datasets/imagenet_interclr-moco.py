_base_ = ["../pipelines/mocov2.py", "../../../_base_/imagenet.py"]

extract_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

train_dataset_type = "MultiViewDataset"
extract_dataset_type = "SingleViewDataset"
data = dict(
    replace=True,  # draw with replacement
    drop_last=True,
    train=dict(
        type=train_dataset_type,
        num_views=[2],
        pipelines=[{{_base_.train_pipeline}}],
    ),
)

num_classes = 10000
custom_hooks = [
    dict(
        type="InterCLRHook",
        extractor=dict(
            samples_per_gpu=256,
            workers_per_gpu=8,
            dataset=dict(
                type=extract_dataset_type,
                data_source={{_base_.data.train.data_source}},
                pipeline=extract_pipeline,
                prefetch={{_base_.prefetch}},
            ),
            prefetch={{_base_.prefetch}},
            img_norm_cfg={{_base_.img_norm_cfg}},
        ),
        clustering=dict(type="Kmeans", k=num_classes, pca_dim=-1),  # no whitening
        centroids_update_interval=10,  # iterations
        deal_with_small_clusters_interval=1,
        evaluate_interval=50,
        warmup_epochs=0,
        init_memory=True,
        initial=True,
        online_labels=True,
        interval=10,  # epochs
    ),
]
