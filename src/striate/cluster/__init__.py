"""All that needs Ray."""
