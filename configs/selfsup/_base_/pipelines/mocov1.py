# Views of MoCo v1, and of NPID.
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0)),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4),
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
