"""This project's engines next to other ways to run the same checkpoint."""
