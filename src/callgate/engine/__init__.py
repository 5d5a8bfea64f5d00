"""The corridor that every call walks: admit, attempt, relay, settle."""
