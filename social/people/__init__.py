"""People: accounts as others see them, and how one person stands to another."""
