"""How good: figures with their uncertainty, plots and pages."""
