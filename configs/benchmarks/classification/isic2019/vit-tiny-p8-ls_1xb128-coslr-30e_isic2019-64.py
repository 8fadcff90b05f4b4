_base_ = "vit-tiny-p8_1xb128-coslr-30e_isic2019-64.py"

# The backbone of cae_vit-tiny-p8-ls_1xb128-coslr-200e_isic2019-64.py, with a factor for each
# branch.
model = dict(backbone=dict(init_values=0.1, qkv_bias=False))
optimizer = dict(paramwise_options={"gamma": dict(weight_decay=0.0)})
