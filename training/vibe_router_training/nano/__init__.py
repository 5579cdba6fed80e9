"""The recipe of the bundled default, from data to card.

features -> teacher (out-of-fold predictions) + weak labels of unlabelled prompts -> examples
tokenizer -> embeddings (co-occurrence) -> student -> sweep of fits -> calibration -> report -> card
"""
