"""Posts and comments, what people do to them, and the pictures they show."""
