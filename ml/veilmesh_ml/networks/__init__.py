"""Networks in torch, one file per model, and nothing about training them.

| module | what | after |
|---|---|---|
| `layers` | what several share | |
| `expression` | which of seven expressions a face shows | S3 |
| `ppsa` | faces from noise, with self-attention | S3 |
| `autoencoder` | faces through a bottleneck, the baseline | S4 |

S3: Ghani et al. 2024, doi 10.1016/j.jksuci.2024.102036. S4: He Yi, Shi Lei and Hernandez, the
paper of pixel permutation.
Everything here takes pixels as float [batch, channel, height, width] from -1 to 1, and imports torch.
"""
