"""The version of the distribution, written once; packaging reads it from here."""

__version__ = "0.1.0"
