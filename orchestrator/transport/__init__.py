"""Ways to a node: SSH, the Engine API over SSH, and a scripted stand-in for hermetic tests."""
