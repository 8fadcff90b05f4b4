# For monitoring and for choosing: learns from four fifths of the training fold, is measured on the
# last fifth. The test fold is not used.
_base_ = "knn_isic2019.py"

splits = "data/isic2019/splits/"
data = dict(
    train=dict(data_source=dict(ann_file=splits + "ISIC_2019_subtrain_fold0.txt")),
    val=dict(data_source=dict(ann_file=splits + "ISIC_2019_val_fold0.txt")),
)
