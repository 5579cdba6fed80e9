"""Whole chats: read messages, find what the user asks, and keep a conversation on one side."""
