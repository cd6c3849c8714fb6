"""What is wrong with a data set, before anything is trained."""
