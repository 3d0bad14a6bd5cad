"""Files: whole or not at all; networks on disk; weights for PyTorch."""
