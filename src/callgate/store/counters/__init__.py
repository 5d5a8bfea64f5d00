"""What accounts have used: counted in memory, in a file that workers share, or on a server."""
