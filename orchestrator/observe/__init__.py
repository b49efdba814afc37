"""Read the engines of all nodes."""
