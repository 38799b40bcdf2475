"""Judges of checkpoints: one module for each model that is chosen by measuring (see `choose`).

| module | what it measures |
|---|---|
| `held_out` | what any anonymizer makes of people held out: who is recognised, what is found |
| `ciagan` | the anonymizer `ciagan` with a checkpoint's generator |

Needs torch, and what anonymizers and evaluations need.
"""
