# Large and small crops of SwAV, with the colours of SimCLR.
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
color_distort_strength = 1.0
train_pipeline1 = [
    dict(type="RandomResizedCrop", size=224, scale=(0.14, 1.0)),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(
                type="ColorJitter",
                brightness=0.8 * color_distort_strength,
                contrast=0.8 * color_distort_strength,
                saturation=0.8 * color_distort_strength,
                hue=0.2 * color_distort_strength,
            )
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type="RandomHorizontalFlip", p=0.5),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
train_pipeline2 = [
    dict(type="RandomResizedCrop", size=96, scale=(0.05, 0.14)),
    *train_pipeline1[1:],
]
