"""The two sides: asking them, passing their answers on, and what is done when they fail."""
