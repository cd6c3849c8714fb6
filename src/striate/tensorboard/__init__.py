"""A run as TensorBoard shows it, on every backend: TensorFlow is not needed."""
