img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
# Two sizes of each image: CAE normalises the first, and the second is for the tokenizer.
train_pipeline = [
    dict(type="RandomHorizontalFlip", p=0.5),
    dict(
        type="RandomResizedCropAndInterpolationWithTwoPic",
        size=224,
        second_size=112,
        interpolation="bicubic",
        second_interpolation="lanczos",
        scale=(0.08, 1.0),
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
