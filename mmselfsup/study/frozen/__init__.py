"""Every method pre-trained for the same number of views, evaluated by its frozen features."""
