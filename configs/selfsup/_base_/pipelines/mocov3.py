# The two views differ in how often they are blurred and solarised, as those of BYOL do.
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline1 = [
    dict(type="RandomResizedCrop", size=224, scale=(0.08, 1.0)),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=1.0),
    dict(type="Solarization", p=0.0),
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
train_pipeline2 = [
    *train_pipeline1[:3],
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.1),
    dict(type="Solarization", p=0.2),
    *train_pipeline1[5:],
]
