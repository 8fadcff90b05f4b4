_base_ = "isic2019_simclr.py"

data = dict(samples_per_gpu=64, replace=True)  # draw with replacement

num_classes = 80
# The clustering uses the images of data.train, with its own pipeline.
custom_hooks = [
    dict(
        type="InterCLRHook",
        extractor=dict(
            samples_per_gpu=128,
            workers_per_gpu=2,
            dataset=dict(
                type="SingleViewDataset",
                pipeline=[
                    dict(type="Resize", size=224),
                    dict(type="CenterCrop", size=224),
                    dict(type="ToTensor"),
                    dict(
                        type="Normalize",
                        mean={{_base_.img_norm_cfg.mean}},
                        std={{_base_.img_norm_cfg.std}},
                    ),
                ],
            ),
        ),
        clustering=dict(type="Kmeans", k=num_classes, pca_dim=-1),
        centroids_update_interval=10,  # iterations
        deal_with_small_clusters_interval=1,
        evaluate_interval=50,
        online_labels=True,
        interval=1,  # epochs
    ),
]
