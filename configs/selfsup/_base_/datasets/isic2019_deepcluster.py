_base_ = "../../../_base_/isic2019.py"

# Lesions have no orientation: flips and quarter turns keep the class. The colour is what
# dermatologists use: little jitter of hue.
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.1),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
extract_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    samples_per_gpu=64,
    workers_per_gpu=4,
    drop_last=True,  # batches of one size
    train=dict(
        type="DeepClusterDataset",
        data_source=dict(
            type="ImageList",
            data_prefix="data/isic2019/ISIC_2019_Training_Input",
            ann_file="data/isic2019/splits/ISIC_2019_train_fold0.txt",
        ),
        pipeline=train_pipeline,
    ),
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
