"""Files outside of the store: pictures and mail."""
