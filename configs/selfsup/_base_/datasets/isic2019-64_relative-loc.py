_base_ = "isic2019_relative-loc.py"

# 120 pixels: 3 x 3 cells of 40, patches of 32.
train_pipeline = [
    dict(type="Resize", size=132),
    dict(type="RandomCrop", size=120),
    # Colour distinguishes lesions: seldom removed, unlike in photographs.
    dict(type="RandomGrayscale", p=0.2),
]

data = dict(workers_per_gpu=2, train=dict(pipeline=train_pipeline, patch_jitter=8))
