"""The documents' figures, written from the committed results."""
