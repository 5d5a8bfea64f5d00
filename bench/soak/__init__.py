"""A soak: faults and vanishing callers for minutes on end, to see what is left behind."""
