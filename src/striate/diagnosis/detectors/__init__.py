"""One detector for each way a training goes wrong."""
