"""The command ``iot2crm``, and ``python -m hub``."""

from hub.cli.root import cli


def main() -> None:
    """Run the command that the arguments name; ends the process with its exit code."""
    cli(prog_name="iot2crm")


if __name__ == "__main__":
    main()
