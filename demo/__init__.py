"""336,776 real events through the whole system, and the same numbers straight from the source."""
