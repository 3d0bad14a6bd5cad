"""Styles in which people write derivatives: classes, functions, networks, optimisers."""
