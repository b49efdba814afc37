"""The command ``lab``: parse, call a use case, choose sinks, give an exit code."""
