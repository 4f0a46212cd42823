"""python -m minihash"""

import sys

from minihash.cli import main

if __name__ == "__main__":
    sys.exit(main())
