"""What finds things to check, and the command."""
