"""What the tests of pages share: widths, and what must not stick out."""

from __future__ import annotations

from tests.browser.devtools import NAMES

DESK, PHONE = 1280, 390
LEFT_OUT = f"browser tests left out: no Chromium on this machine (looked for {', '.join(NAMES)})"

#: elements whose right edge lies outside the window, other than inside a table that scrolls by itself
STICKS_OUT = """[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll table') && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.tagName + '.' + e.getAttribute('class') + ' ' + e.textContent.slice(0, 40))"""
