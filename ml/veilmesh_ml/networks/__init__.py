"""Networks in torch, one file per model, and nothing about training them.

| module | what | after |
|---|---|---|
| `layers` | what several share | |
| `ciagan` | a face that is nobody's, painted into a photo whose face was cut out | S2 |
| `siamese` | which photos show one person: what guides `ciagan` | S2 |
| `expression` | which of seven expressions a face shows | S3 |
| `ppsa` | faces from noise, with self-attention | S3 |
| `stylegan` | faces from noise, in styles that can be mixed | S1 |
| `autoencoder` | faces through a bottleneck, the baseline | S4 |

S1: Ghani et al. 2024, doi 10.32604/cmc.2024.049611. S2: Al-Khasawneh and Mahmoud 2024,
doi 10.48084/etasr.7527. S3: Ghani et al. 2024, doi 10.1016/j.jksuci.2024.102036. S4: He Yi, Shi Lei and
Hernandez, the paper of pixel permutation.
Everything here takes pixels as float [batch, channel, height, width] from -1 to 1, and imports torch.
"""
