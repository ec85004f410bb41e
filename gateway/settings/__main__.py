"""Print the page of documentation: ``python -m gateway.settings > docs/settings.md``."""

import sys

from gateway.settings import page

if __name__ == "__main__":
    sys.stdout.write(page.text())
