"""`python -m bot`, the same as the installed `velero-chatops`."""

from bot.cli import main

main()
