"""How far a point is from the kinks of a network: finite differences may not step over one."""

import numpy as np

from minigan import LeakyReLU


def smallest_distance_to_a_kink(net, x):
    """Smallest |x| that enters a (leaky) ReLU: finite differences may not step over a kink."""
    distance = np.inf
    for layer in net.layers:
        if isinstance(layer, LeakyReLU):
            distance = min(distance, np.abs(x).min())
        x, _ = layer.forward(x)
    return distance
