"""A document store in memory, behind the driver's calls that the product makes."""
