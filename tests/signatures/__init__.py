"""What blocks declare of themselves."""
