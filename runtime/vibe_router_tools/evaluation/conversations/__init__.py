"""Judge ways of routing whole conversations, always at an equal share of the cloud."""
