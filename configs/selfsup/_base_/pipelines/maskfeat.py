img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(
        type="RandomResizedCropAndInterpolationWithTwoPic",
        size=224,
        scale=(0.5, 1.0),
        ratio=(0.75, 1.3333),
        interpolation="bicubic",
    ),
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="MaskFeatMaskGenerator", mask_ratio=0.4),
]
