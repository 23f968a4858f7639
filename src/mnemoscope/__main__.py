"""python -m mnemoscope"""

from mnemoscope.cli import main

main()
