"""The demo data set: procedural dermoscopy-like images in the layout of ISIC-2019.

``dataset.make_demo_data`` writes it. This file imports nothing: the processes that draw import
``photograph`` alone and start fast.
"""
