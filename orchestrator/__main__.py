"""``python -m orchestrator`` is ``lab``."""

from orchestrator.cli.main import main

if __name__ == "__main__":
    main()
