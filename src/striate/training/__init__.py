"""Learning: splits + architecture + recipe → classifier + history."""
