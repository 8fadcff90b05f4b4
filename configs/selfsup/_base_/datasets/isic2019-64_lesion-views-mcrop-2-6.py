_base_ = "isic2019-64_lesion-views.py"

data = dict(
    samples_per_gpu=64,
    train=dict(
        num_views=[2, 6],
        pipelines=[{{_base_.train_pipeline}}, {{_base_.small_crop_pipeline}}],
    ),
)
