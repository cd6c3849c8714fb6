"""From a recipe and decoded images to a trained model."""
