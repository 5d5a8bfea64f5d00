"""Traces for OpenTelemetry, made from the records."""
