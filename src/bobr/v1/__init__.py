"""Generated from proto/bobr/v1 by `make proto`; a test holds them equal."""
