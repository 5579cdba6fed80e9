"""Fresh processes with the C library: the executable `vibe-route`, and Python with it in place of its own parts."""
