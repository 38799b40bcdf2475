"""Landmarks of a mean face, for faces whose own nobody could find: so much is known as where they lie."""

from typing import Final

import numpy as np

from veilmesh_ml.video.following import Points

# Thousandths of a box from hairline to chin: the mean of 2,231 photos of LFW, people A to R, made symmetric.
_ACROSS = """
    0 5 17 40 87 162 259 371 500 629 741 838 913 960 983 995 1000 109 167 250 338 420 580 662 750 833
    891 500 500 500 500 402 449 500 551 598 208 259 319 373 316 257 627 681 741 792 743 684 309 377 448
    500 552 623 691 625 556 500 444 375 339 447 500 553 661 554 500 446
"""
_DOWN = """
    422 517 612 705 793 870 934 985 1000 985 934 870 793 705 612 517 422 351 310 296 303 326 326 303 296
    310 351 396 455 514 575 619 632 643 632 619 410 389 389 415 423 423 415 389 389 410 423 423 744 717
    706 714 706 717 744 792 813 817 813 792 745 735 738 735 745 769 773 769
"""

MEAN_FACE: Final[Points] = np.array([_ACROSS.split(), _DOWN.split()], dtype=np.float64).T / 1000  # (68, 2)
