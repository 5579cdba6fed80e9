"""The recipe of the bundled default, from data to card.

lessons: features -> teacher (judges labelled prompts and variants) + weak labels of other prompts and
         one-step requests -> examples,
         tokenizer -> embeddings (co-occurrence) -> student before its first step
choose:  lessons of the training split -> sweep of fits -> calibration
refit:   lessons of all rows -> the same fit -> thresholds
judge:   both -> report -> card
"""
