#!/bin/sh
# A Chromium for the browser tests: the one that is there, Debian's, or Playwright's own.
# Without any, the browser tests are skipped and say so.
set -u
bin=$1
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
"$bin/python" - <<'PYTHON' && exit 0
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    sys.exit(not pathlib.Path(playwright.chromium.executable_path).exists())
PYTHON
echo "Installing a browser for the tests"
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq >/dev/null 2>&1
    apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 && exit 0
fi
"$bin/playwright" install chromium >/dev/null 2>&1 && exit 0
echo "No browser could be installed: the browser tests will be skipped. Install Chromium and run make test again." >&2
exit 0
