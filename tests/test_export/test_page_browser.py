"""The page in a real browser: headless Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlparse

import numpy as np
import pytest
from exported_models import Exported, noisy_image
from PIL import Image

from msvit.page import build_site, fetch_runtime
from msvit.page.web_runtime import _cache
from msvit.runtime import Prediction

playwright = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed: make test-web')
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
# No sandbox within a container; no traffic of the browser's own.
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']
PATIENCE = 60_000  # ms, on a machine that does much else
SIZES = dict(small=(100, 128), large=(300, 400))


@pytest.fixture(scope='module')
def browser() -> Iterator:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f'none of {", ".join(BROWSERS)} is installed')
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope='module')
def samples(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('samples')
    for name, shape in SIZES.items():
        Image.fromarray(noisy_image(*shape)).save(folder / f'{name}.png')
    return {name: folder / f'{name}.png' for name in SIZES}


@pytest.fixture(scope='module')
def address(segmentor, samples, tmp_path_factory) -> Iterator[str]:
    """The page of the segmentor, served from this machine."""
    if not list(_cache().glob('*.tgz')):
        pytest.skip('onnxruntime-web has not been fetched: make test-web')
    site = tmp_path_factory.mktemp('site')
    build_site(segmentor.path, site, list(samples.values()), fetch_runtime(), title='Tiny <model>')
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.RequestHandlerClass.log_message = lambda *_: None
        Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_address[1]}/'
        server.shutdown()


@pytest.fixture
def page(browser, address) -> Iterator:
    """The page when the first sample's result stands on it; its requests in ``page.hosts``."""
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.hosts = set()
    opened.complaints = []
    opened.on('request', lambda request: opened.hosts.add(urlparse(request.url).netloc))
    opened.on('console', lambda message: opened.complaints.append(message.text) if message.type == 'error' else None)
    opened.goto(address)
    wait_for(opened, 'Done.')
    yield opened
    assert opened.complaints == []
    assert opened.hosts <= {urlparse(address).netloc, ''}
    opened.close()


def wait_for(page, text: str) -> None:
    playwright.expect(page.locator('#status')).to_have_text(text, timeout=PATIENCE)


def has(page, element: str, attribute: str, value: str) -> None:
    playwright.expect(page.locator(element)).to_have_attribute(attribute, value, timeout=PATIENCE)


def shown(page) -> tuple[int, str]:
    """Tokens, and the decisions as zeros and ones."""
    return int(page.locator('#tokens').inner_text().split()[0]), page.locator('#tiles').get_attribute('data-fine')


def expected(exported: Exported, image: np.ndarray, **settings) -> tuple[int, str]:
    result: Prediction = exported.file(image, max_side=128, **settings)
    return result.tokens, ''.join('01'[int(fine)] for fine in result.fine_mask.flatten())


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_tokens_are_those_of_python_and_no_other_host_is_asked(page, segmentor, samples):
    assert page.title() == 'Tiny <model>'
    assert shown(page) == expected(segmentor, read(samples['small']))
    page.get_by_role('button', name='large').click()
    has(page, '#image', 'height', '96')
    wait_for(page, 'Done.')
    assert shown(page) == expected(segmentor, read(samples['large']))
    assert page.locator('#image').evaluate('canvas => [canvas.height, canvas.width]') == [96, 128]
    present = set(np.unique(segmentor.file(read(samples['large']), max_side=128).labels))
    assert page.locator('#classes li').count() == len(present)
    for figure in ('#mixed-ms', '#dense-ms'):
        assert page.locator(figure).inner_text().endswith(' ms')


def test_the_slider_changes_the_tokens_by_keyboard(page, segmentor, samples):
    image, slider = read(samples['small']), page.get_by_role('slider')
    slider.focus()
    seen = set()
    for key, threshold in (('Home', 0.0), ('End', 1.0), ('PageDown', None)):
        page.keyboard.press(key)
        value = float(slider.input_value())
        assert threshold in (None, value)
        tokens, fine = expected(segmentor, image, threshold=value)
        has(page, '#tiles', 'data-fine', fine)
        wait_for(page, 'Done.')
        assert shown(page) == (tokens, fine)
        seen.add(tokens)
    assert {max(seen), min(seen)} == {13 * 16, 7 * 8}


@pytest.mark.parametrize(('name', 'content'), [('notes.txt', b'no image'), ('cut.png', b'\x89PNG\r\n\x1a\n')])
def test_a_file_that_is_no_image_is_named_and_the_page_goes_on(page, segmentor, samples, name, content):
    page.set_input_files('#file', dict(name=name, mimeType='image/png', buffer=content))
    alert = page.get_by_role('alert')
    playwright.expect(alert).to_contain_text(f'{name} is no image that this browser can read')
    playwright.expect(page.locator('#views')).to_be_hidden()
    page.set_input_files('#file', samples['small'])
    wait_for(page, 'Done.')
    playwright.expect(alert).to_be_hidden()
    assert shown(page) == expected(segmentor, read(samples['small']))


@pytest.mark.parametrize('shape', [(1, 1), (8000, 20)])
def test_images_of_one_pixel_and_of_8000(page, segmentor, shape, tmp_path):
    Image.fromarray(noisy_image(*shape)).save(tmp_path / 'image.png')
    page.set_input_files('#file', tmp_path / 'image.png')
    has(page, '#image', 'height', '1' if shape == (1, 1) else '128')
    has(page, '#image', 'width', '1')
    wait_for(page, 'Done.')
    if shape == (1, 1):
        assert shown(page) == expected(segmentor, noisy_image(1, 1))


def test_a_dropped_file_is_taken(page, segmentor):
    image = noisy_image(64, 48, seed=5)
    page.evaluate(
        """async ([pixels, height, width]) => {
            const canvas = new OffscreenCanvas(width, height);
            canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
            const transfer = new DataTransfer();
            transfer.items.add(new File([await canvas.convertToBlob()], 'dropped.png', { type: 'image/png' }));
            window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
        }""",
        [np.dstack((image, np.full((64, 48), 255, np.uint8))).flatten().tolist(), 64, 48],
    )
    has(page, '#image', 'height', '64')
    wait_for(page, 'Done.')
    assert shown(page) == expected(segmentor, image)


def test_a_telephone_and_the_dark(browser, address):
    context = browser.new_context(viewport=dict(width=360, height=640), color_scheme='dark')
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    wait_for(page, 'Done.')
    assert page.evaluate('document.documentElement.scrollWidth') <= 360
    dark = page.evaluate('getComputedStyle(document.body).backgroundColor')
    page.emulate_media(color_scheme='light')
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') != dark
    context.close()


def test_a_site_that_is_not_whole_says_so(browser, address):
    page = browser.new_page()
    page.route('**/model.onnx', lambda route: route.fulfill(status=404))
    page.goto(address)
    playwright.expect(page.get_by_role('alert')).to_contain_text('the model could not be fetched (404)', timeout=PATIENCE)
    page.close()
