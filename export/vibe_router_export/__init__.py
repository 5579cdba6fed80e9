"""Export a fine-tuned ModernBERT router to graphs that apps can embed, and prove that they decide the same."""
