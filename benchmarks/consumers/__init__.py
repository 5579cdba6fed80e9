"""Other people's software on our bundles: does it load them, and score as the runtime does."""
