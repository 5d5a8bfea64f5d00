"""Captured requests, through the gateway once more."""
