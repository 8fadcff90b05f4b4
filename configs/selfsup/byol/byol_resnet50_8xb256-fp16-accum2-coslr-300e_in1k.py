_base_ = "byol_resnet50_8xb256-fp16-accum2-coslr-200e_in1k.py"

runner = dict(max_epochs=300)
