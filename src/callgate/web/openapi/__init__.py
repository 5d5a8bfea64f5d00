"""The OpenAPI document of what is served, and what it is put together from."""
