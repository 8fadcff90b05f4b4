_base_ = "isic2019_deepcluster.py"

data = dict(replace=True)  # draw with replacement

num_classes = 80
# The clustering uses the images of data.train, with its own pipeline.
custom_hooks = [
    dict(
        type="DeepClusterHook",
        extractor=dict(
            samples_per_gpu=64,
            workers_per_gpu=4,
            dataset=dict(type="DeepClusterDataset", pipeline={{_base_.extract_pipeline}}),
        ),
        clustering=dict(type="Kmeans", k=num_classes, pca_dim=-1),
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
