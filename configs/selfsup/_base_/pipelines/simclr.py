# Two views of SimCLR: strong colour jitter, blur in every second view.
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_pipeline = [
    dict(type="RandomResizedCrop", size=224),
    dict(type="RandomHorizontalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.2),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]
