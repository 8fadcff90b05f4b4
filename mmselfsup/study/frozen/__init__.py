"""Every method pre-trained for the same number of views, judged by its frozen features."""
