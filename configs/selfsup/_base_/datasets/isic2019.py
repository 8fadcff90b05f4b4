# The images of a training fold of ISIC-2019; what to do with them is in ../pipelines.
data = dict(
    samples_per_gpu=64,
    workers_per_gpu=4,
    train=dict(
        data_source=dict(
            type="ImageList",
            data_prefix="data/isic2019/ISIC_2019_Training_Input",
            ann_file="data/isic2019/splits/ISIC_2019_train_fold0.txt",
        ),
    ),
)
