_base_ = "adamw_coslr-200e_in1k.py"

# Biases, normalisations, tokens and positions are not decayed.
optimizer = dict(
    paramwise_options={
        "ln": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "pos_embed": dict(weight_decay=0.0),
        "mask_token": dict(weight_decay=0.0),
        "cls_token": dict(weight_decay=0.0),
    },
)
lr_config = dict(warmup_iters=10)  # epochs
