"""Random dialogues that look for a broken promise of `Router.route_chat`."""
