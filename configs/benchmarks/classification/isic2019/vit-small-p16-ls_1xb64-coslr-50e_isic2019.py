_base_ = "vit-small-p16_1xb64-coslr-50e_isic2019.py"

# The backbone of cae_vit-small-p16-ls_1xb64-coslr-300e_isic2019.py: with a factor for each branch.
model = dict(backbone=dict(init_values=0.1, qkv_bias=False))
optimizer = dict(paramwise_options={"gamma": dict(weight_decay=0.0)})
