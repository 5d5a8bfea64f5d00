"""JSON Schema: as each target takes it, what one may cost, and what follows it."""
