"""One organisation's node: what faces it keeps, whom it answers, and what it may say."""
