_base_ = ["../pipelines/isic2019.py", "isic2019.py"]

extract_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    drop_last=True,  # batches of one size
    train=dict(type="DeepClusterDataset", pipeline={{_base_.train_pipeline}}),
)

num_classes = 500
# The clustering uses the images of data.train, with its own pipeline.
custom_hooks = [
    dict(
        type="DeepClusterHook",
        extractor=dict(
            samples_per_gpu=64,
            workers_per_gpu=4,
            dataset=dict(type="DeepClusterDataset", pipeline=extract_pipeline),
        ),
        clustering=dict(type="Kmeans", k=num_classes, pca_dim=256),
        unif_sampling=True,
        reweight=False,
        reweight_pow=0.5,
        initial=True,
        interval=1,
    ),
]
