"""Decisions, all of them pure: what is wanted, what has to be done, what to ask, what the answers mean.

Nothing in here reads a file, a clock or a network: every function is told what is wanted and what was observed
and returns a value.

- :mod:`.resolve` makes of an inventory and labs what shall exist; :mod:`.diff` plans the way there, or away;
- :mod:`.probes` plans what ``lab verify`` asks, and :mod:`.judge` says what came of it.
"""
