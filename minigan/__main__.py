"""``python -m minigan`` is the command ``minigan``."""

import sys


def main() -> int:
    """Run the command; Ctrl-C ends it in a line, while its modules are still being loaded too."""
    try:
        from .cli import main as command

        return command()
    except KeyboardInterrupt:
        print("minigan: interrupted", file=sys.stderr)
        return 130  # the shells' code for Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
