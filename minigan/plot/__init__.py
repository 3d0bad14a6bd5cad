"""Pictures: stills, frames of a run, and the film made of them."""
