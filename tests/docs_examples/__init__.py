"""The example packages and commands of the guides, tried."""
