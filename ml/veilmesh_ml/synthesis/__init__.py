"""Faces that nobody has, and other pictures of one and the same, drawn by the style-based GAN that ships.

| module | what |
|---|---|
| `frame` | where a face lies in the pictures that the GAN makes |
| `style_gan` | the exported networks: latents to styles to faces |
| `variations` | one face in other pose, light and expression, by style mixing |
| `projection` | the styles whose face is nearest to a photo's |
| `drawn` | faces drawn once, with what is known of each: what projection and the anonymizer start from |

After S1, its face generator and its variation generator: Ghani et al. 2024, doi 10.32604/cmc.2024.049611,
algorithm 1. The networks are in `networks.stylegan`, their training in `train.recipes.stylegan`.
"""
