"""What is there for speed alone, and what each gains."""
