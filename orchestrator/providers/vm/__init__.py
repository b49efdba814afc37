"""Embedded nodes: QEMU machines with a real kernel and a real dockerd."""
