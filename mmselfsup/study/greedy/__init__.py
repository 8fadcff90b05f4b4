"""The greedy curriculum: which pretext task comes first, which next, and when to stop."""
