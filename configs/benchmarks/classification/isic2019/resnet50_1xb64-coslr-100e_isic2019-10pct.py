# Fine-tuning of a pre-trained network with 10 % of the labels, by whole lesions; the lists
# come from tools/isic2019/make_label_subsets.py. Give the weights with --cfg-options load_from=...
_base_ = "resnet50_1xb64-coslr-50e_isic2019.py"

data = dict(
    train=dict(data_source=dict(ann_file="data/isic2019/splits/ISIC_2019_subtrain_fold0_10pct.txt"))
)
# A pass over few images is short: more of them.
runner = dict(max_epochs=100)
evaluation = dict(interval=10)
