"""The page on which one prompt is written by several methods, or as several users, side by side."""
