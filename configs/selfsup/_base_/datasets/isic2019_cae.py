_base_ = ["../../../_base_/isic2019.py", "isic2019.py"]

# Lesions have no orientation. Two sizes of each image: the method normalises the first, and the
# second is for the tokenizer, with 8 x 8 pixels a patch.
train_pipeline = [
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomResizedCropAndInterpolationWithTwoPic",
        size=224,
        second_size=112,
        scale=(0.2, 1.0),
        interpolation="bicubic",
        second_interpolation="lanczos",
    ),
    dict(type="ToTensor"),
    dict(
        type="BEiTMaskGenerator",
        input_size=(14, 14),
        num_masking_patches=75,
        max_num_patches=None,
        min_num_patches=16,
    ),
]

data = dict(train=dict(type="SingleViewDataset", pipeline=train_pipeline))
