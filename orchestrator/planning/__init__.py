"""Pure decisions: what is wanted, what is missing, what to probe, what the answers mean."""
