_base_ = "adamw_coslr-100e_in1k.py"

# Deeper blocks change more than those near the image.
optimizer = dict(
    lr=1e-3,
    model_type="vit",
    layer_decay=0.75,
    constructor="TransformerFinetuneConstructor",
    paramwise_options={
        "ln": dict(weight_decay=0.0),
        "norm": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "pos_embed": dict(weight_decay=0.0),
        "cls_token": dict(weight_decay=0.0),
    },
)
lr_config = dict(by_epoch=False, warmup_iters=3)  # epochs
runner = dict(max_epochs=50)
