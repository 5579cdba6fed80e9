"""This router inside other programs that route; each module needs the program that it is named for."""
