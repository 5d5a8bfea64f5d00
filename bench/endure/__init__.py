"""What outlasts crashes: counts and records of several gateways, held against what callers saw."""
