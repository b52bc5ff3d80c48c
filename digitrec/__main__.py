"""``python -m digitrec`` is the command ``digitrec``."""

from digitrec.cli import main

if __name__ == "__main__":
    main()
