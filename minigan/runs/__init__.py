"""A run in its folder: settings, checkpoints, history, and what is drawn from them."""
