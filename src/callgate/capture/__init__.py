"""Payloads that were asked to be kept: scrubbed, compressed, a file for each request."""
