"""Choose a threshold from a user's own prompts, with a promise about it: numpy and scipy, no torch.

prompts -> scores -> histogram (one a machine, merged) -> choice with confidence -> profile in a copy of the
bundle. Import from the modules: each holds one concept.
"""
