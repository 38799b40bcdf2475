"""What each model's training is: a config of numbers and a class with its losses; see `trainer` for how.

Needs torch.
"""
