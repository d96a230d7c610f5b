"""Measurements in pairs on the machine at hand; ``wtalkit bench`` shows them. Importing this imports nothing heavy."""
