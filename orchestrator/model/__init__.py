"""What the project talks about: frozen dataclasses built from the standard library only.

Nothing in here has an effect and nothing in here imports another room of the package, so every
other room may use these words freely.
"""
