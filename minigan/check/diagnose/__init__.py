"""What names a mistake."""
