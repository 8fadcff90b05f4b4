_base_ = "../../../selfsup/_base_/default_runtime.py"
