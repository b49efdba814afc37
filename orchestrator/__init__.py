"""Swarm Mesh Lab: build, verify, break and repair the networking of a Docker Swarm."""

__version__ = "0.1.0"
