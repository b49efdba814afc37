"""How work runs: the context of a run, fan-out over nodes, retries, the lock, the state folder."""
