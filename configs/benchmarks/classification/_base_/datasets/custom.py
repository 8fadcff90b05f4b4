# Your own images: describe them once, in own_data (or by --cfg-options own_data.KEY=VALUE).
# Docs: docs/en/tutorials/14_own_data.md
own_data = dict(
    ann_file=None,  # a list: CSV or text; None: one folder for each class
    data_prefix=None,  # the folder of the images, or a list of folders
    image_column=None,  # columns of a CSV file with other names than image, label
    label_column=None,
    group_column=None,  # such as the patient: its images stay on one side of the split
    classes=None,  # names in the order you want; None: those of the data
    # val=dict(ann_file=..., data_prefix=...): your own validation images; otherwise
    folds=5,  # one of 5 folds of the list is the validation,
    fold=0,  # this one
)

# "auto": of the training images, measured once, or of a statistics.txt beside them.
img_norm_cfg = dict(mean="auto", std="auto")

train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.4, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
    dict(type="ToTensor"),
    dict(type="Normalize", mean="auto", std="auto"),
]
test_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean="auto", std="auto"),
]

data = dict(
    samples_per_gpu=32,
    workers_per_gpu=2,
    train=dict(
        type="SingleViewDataset",
        data_source=dict(type="ImageList", data_prefix=None),  # own_data takes its place
        pipeline=train_pipeline,
    ),
    val=dict(
        type="SingleViewDataset",
        data_source=dict(type="ImageList", data_prefix=None),
        pipeline=test_pipeline,
    ),
)
evaluation = dict(interval=1, topk=(1,), save_best="balanced_accuracy")
