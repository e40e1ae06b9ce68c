"""Other ways to spend fewer tokens, which mixed-scale tokens are measured against."""
