"""Leaving signs of life and counting rare things."""
