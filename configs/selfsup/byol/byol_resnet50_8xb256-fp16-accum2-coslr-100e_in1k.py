_base_ = "byol_resnet50_8xb256-fp16-accum2-coslr-200e_in1k.py"

optimizer = dict(lr=7.2)
runner = dict(max_epochs=100)
