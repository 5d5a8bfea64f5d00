"""Figures for Prometheus: what is counted from the records, and what each worker is doing."""
