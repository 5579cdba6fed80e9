"""The recipe of the bundled default router, from data to card; `make nano` runs it. It is not in the wheel.

material  the rows of all files, divided by a hash of the prompt
lessons   exam_teacher (features, mix) and chat_teacher (encoder) judge texts: rows, variants, one_step, phrases, forms
recipe    lessons -> student -> calibration and profiles -> judge -> report -> card
"""
