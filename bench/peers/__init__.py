"""Callgate beside other gateways: each in its own installation, all in one run."""
