_base_ = ["../pipelines/deepcluster.py", "../../../_base_/imagenet.py"]

dataset_type = "DeepClusterDataset"
data = dict(
    samples_per_gpu=64,  # 8 GPUs: a batch of 512
    replace=True,  # draw with replacement
    train=dict(type=dataset_type, pipeline={{_base_.train_pipeline}}),
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
                data_source={{_base_.data.train.data_source}},
                pipeline={{_base_.extract_pipeline}},
                prefetch={{_base_.prefetch}},
            ),
            prefetch={{_base_.prefetch}},
            img_norm_cfg={{_base_.img_norm_cfg}},
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
