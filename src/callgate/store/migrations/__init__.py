"""The steps by which a SQL store's tables came about; `store.schema` runs them."""
