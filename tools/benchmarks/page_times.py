"""Time a site of `msvit page` in headless Chromium, and take its picture.

python tools/benchmarks/page_times.py site/ --rounds 5 --screenshot page.png   # after `make setup-web`

Tells how long the first result takes once the model has loaded, and how long the page takes from a move of the slider to the
picture that follows.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']  # in a container, with no traffic of its own
PATIENCE = 120_000  # ms


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files with the headers that let ONNX Runtime use several threads, and log nothing."""

    def end_headers(self) -> None:
        """Add the headers."""
        self.send_header('Cross-Origin-Opener-Policy', 'same-origin')
        self.send_header('Cross-Origin-Embedder-Policy', 'require-corp')
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('site', type=Path, help='folder that msvit page wrote')
    parser.add_argument('--rounds', type=int, default=5, help='of each time, whose median is told (default: 5)')
    parser.add_argument('--sample', help='name of the sample in the picture (default: the first)')
    parser.add_argument('--screenshot', type=Path, metavar='FILE.png', help='where to put the picture')
    args = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        parser.error('Playwright is not installed: `make setup-web`')
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (args.site / 'index.html').is_file() or program is None:
        parser.error(f'{args.site} has no index.html' if program else f'none of {", ".join(BROWSERS)} is installed')
    with _served(args.site) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        loads = [_first_result(browser.new_page(), address) for _ in range(args.rounds)]
        page = browser.new_page(viewport=dict(width=1400, height=800), device_scale_factor=1)
        _first_result(page, address)
        moves = list(_slider_moves(page, args.rounds))
        print(f'first result, from a loaded model: {median(loads):.2f} s (median of {args.rounds})')
        print(f'slider to picture: {median(moves):.2f} s')
        print(
            'as the page tells:',
            page.locator('#mixed-ms').inner_text(),
            'mixed,',
            page.locator('#dense-ms').inner_text(),
            'all fine',
        )
        if args.screenshot:
            page.get_by_role('slider').fill(page.get_by_role('slider').get_attribute('value') or '0.5')
            if args.sample:
                page.get_by_role('button', name=args.sample).click()
            _wait(page)
            page.screenshot(path=args.screenshot, full_page=True)
        browser.close()


def _first_result(page: 'Page', address: str) -> float:
    """Seconds from the moment that the model has been fetched to the first picture."""
    fetched: list[float] = []
    page.on('requestfinished', lambda request: fetched.append(time.perf_counter()) if request.url.endswith('.onnx') else None)
    page.goto(address)
    _wait(page)
    return time.perf_counter() - fetched[0]


def _slider_moves(page: 'Page', rounds: int) -> Iterator[float]:
    """Seconds from a move of the slider, to another number of tokens, to the picture of it."""
    slider = page.get_by_role('slider')
    for number in range(rounds):
        before = page.locator('#tiles').get_attribute('data-fine')
        start = time.perf_counter()
        slider.fill(('0', '1')[number % 2])
        page.wait_for_selector(f'#tiles:not([data-fine="{before}"])', timeout=PATIENCE)
        _wait(page)
        yield time.perf_counter() - start


def _wait(page: 'Page') -> None:
    page.get_by_text('Done.', exact=True).wait_for(timeout=PATIENCE)


@contextmanager
def _served(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(QuietHandler, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_address[1]}/'
        server.shutdown()


if __name__ == '__main__':
    sys.exit(main())
