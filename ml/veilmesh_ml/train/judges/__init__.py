"""Judges of checkpoints: one module for each model that is chosen by measuring (see `choose`).

| module | what it measures |
|---|---|
| `held_out` | what any anonymizer makes of people held out: who is recognised, what is found |
| `ciagan` | the anonymizer `ciagan` with a checkpoint's generator |
| `ppsa` | how near drawn faces are to those of people held out |
| `stylegan` | the same, of whole faces, and in how many a face is found |
| `expression` | how many pictures held out are recognised |
| `autoencoder` | how near faces of people held out come back |

Needs torch, and what anonymizers and evaluations need.
"""
