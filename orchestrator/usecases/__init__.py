"""What a person wants done: each module is one command's ordered list of phases."""
