"""The weights as the file of the native engine."""
