"""Any data set in the form that a study reads: its table, its lists, and external test sets."""
