"""Pictures: stills, clouds of points, frames of a run, and the film made of them."""
