"""What each binding of the router decided about the same prompts, next to Python and to the bundle's golden.jsonl."""
