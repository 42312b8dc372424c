"""Files outside of the store: pictures, and outgoing mail."""
