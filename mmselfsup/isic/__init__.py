"""Tools for the ISIC-2019 skin lesion data set: its files, splits, colours, masks, demo images."""
