"""The recipe of the bundled default, from data to card.

features -> teacher (out-of-fold predictions) \\
                                                mixture -> sweep of fits -> calibration -> report -> card
weak labels of unlabelled prompts             /
"""
