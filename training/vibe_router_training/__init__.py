"""Make a router: torch, transformers and scikit-learn live here and nowhere else but in the parity reference.

labelled prompts -> examples (data) -> tokenizer -> model -> fit (distillation loss) -> checkpoint ->
calibration (temperature, thresholds) -> `router-export`. `nano` is the recipe of the bundled default.
Import from the modules: each holds one concept.
"""
