model = dict(
    type="IJEPA",
    base_momentum=0.996,
    backbone=dict(type="IJEPAViT", arch="deit-small", img_size=224, patch_size=16),
    neck=dict(
        type="IJEPAPredictor",
        num_patches=196,
        embed_dim=384,
        predictor_embed_dim=192,
        depth=6,
        num_heads=6,
    ),
    head=dict(type="IJEPAHead", loss="smooth_l1"),
    masks=dict(
        num_targets=4,
        target_scale=(0.15, 0.2),
        target_aspect=(0.75, 1.5),
        context_scale=(0.85, 1.0),
        min_context=10,
    ),
)
