_base_ = ["../pipelines/deepcluster.py", "../../../_base_/imagenet.py"]

dataset_type = "DeepClusterDataset"
data = dict(
    samples_per_gpu=64,  # 8 GPUs: a batch of 512
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
        clustering=dict(type="Kmeans", k=num_classes, pca_dim=256),
        unif_sampling=True,
        reweight=False,
        reweight_pow=0.5,
        initial=True,
        interval=1,
    ),
]
