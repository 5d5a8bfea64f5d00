"""The journal: where a record is safe before its response ends, and how it gets to the store."""
