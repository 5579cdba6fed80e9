"""What a router costs on this machine: milliseconds, start-up and memory, measured without torch."""
