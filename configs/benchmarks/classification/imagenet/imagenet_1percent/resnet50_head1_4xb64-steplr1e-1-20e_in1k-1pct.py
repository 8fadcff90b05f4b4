_base_ = "../imagenet_10percent/resnet50_head1_4xb64-steplr1e-1-20e_in1k-10pct.py"

data = dict(train=dict(data_source=dict(ann_file="data/imagenet/meta/train_1percent.txt")))
optimizer = dict(weight_decay=5e-4)
