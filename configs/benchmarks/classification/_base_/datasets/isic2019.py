_base_ = "isic2019_folds.py"

# Lesions have no orientation: flips and quarter turns keep the class. The colour is what
# dermatologists rely on: it is hardly changed.
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.4, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
test_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

# The training fold is split once more, so that the best epoch is not chosen on the test fold.
# Train on all of it with data.train.data_source.ann_file=.../ISIC_2019_train_fold0.txt.
splits = "data/isic2019/splits/"
data = dict(
    workers_per_gpu=4,
    train=dict(
        data_source=dict(ann_file=splits + "ISIC_2019_subtrain_fold0.txt"),
        pipeline=train_pipeline,
    ),
    val=dict(
        data_source=dict(ann_file=splits + "ISIC_2019_val_fold0.txt"),
        pipeline=test_pipeline,
    ),
    test=dict(
        type="SingleViewDataset",
        data_source={{_base_.data.val.data_source}},
        pipeline=test_pipeline,
    ),
)
evaluation = dict(interval=1, topk=(1,), save_best="balanced_accuracy", rule="greater")
