"""The processes of one gateway: a supervisor, its workers, and a clerk who ships the records."""
