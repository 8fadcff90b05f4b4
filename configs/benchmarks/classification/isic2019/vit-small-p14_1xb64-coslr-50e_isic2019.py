_base_ = "vit-small-p16_1xb64-coslr-50e_isic2019.py"

# The backbone of dinov2_vit-small-p14_1xb64-mcrop-2-6-coslr-200e_isic2019.py, with LayerScale.
model = dict(backbone=dict(patch_size=14, init_values=1e-5))
optimizer = dict(paramwise_options={"gamma": dict(weight_decay=0.0)})
