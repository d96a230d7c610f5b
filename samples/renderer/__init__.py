"""Renders the sample project: articulated figures that act in front of textured scenes, with exact ground truth."""
