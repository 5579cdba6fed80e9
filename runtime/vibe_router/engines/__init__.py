"""What computes logits: one file an engine behind the protocol in `protocol`, chosen in `choice`."""
