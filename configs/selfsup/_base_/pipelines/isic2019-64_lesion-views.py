_base_ = "../../../_base_/isic2019.py"

# Views for dermoscopy: any angle, as a lesion has no up and no down; no crop with less than half
# of the (estimated) lesion; half of the colour shift of isic2019-64_simclr.py and no grey images,
# as colours tell lesions apart.
lesion_colours = [
    dict(type="RandomHorizontalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.3, contrast=0.3, saturation=0.3, hue=0.025)
        ],
        p=0.8,
    ),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
train_pipeline = [
    dict(type="RotatedCrop", size=64, scale=(0.2, 1.0), least_lesion=0.5),
    *lesion_colours,
]
# For multi-crop: a small crop shows less of the image at the same magnification.
small_crop_pipeline = [
    dict(type="RotatedCrop", size=32, scale=(0.08, 0.3), least_lesion=0.15),
    *lesion_colours,
]
