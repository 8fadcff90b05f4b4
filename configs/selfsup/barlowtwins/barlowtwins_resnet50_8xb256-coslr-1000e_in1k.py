_base_ = "barlowtwins_resnet50_8xb256-coslr-300e_in1k.py"

runner = dict(max_epochs=1000)
