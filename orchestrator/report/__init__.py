"""Sinks that fold events and reports into what a person or a program reads."""
