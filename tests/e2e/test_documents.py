"""Reports in a real browser: opened from the disk, without a request, at both widths and in both themes."""

import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "unit"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
LOOKS = [(width, theme) for width in (1440, 390) for theme in ("light", "dark")]
OVERLAPS = """() => {
  const said = [...document.querySelectorAll('h1, h2, .kpis span, .kpis b, .findings b, .findings p, .findings span, .columns summary b, .pill, th, td')]
    .filter(one => one.checkVisibility() && !one.querySelector('span, b, svg') && one.textContent.trim());
  const boxes = said.map(one => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  const found = [];
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < Math.min(boxes.length, i + 40); j++) {
    const [a, p] = boxes[i], [b, q] = boxes[j];
    if (a.contains(b) || b.contains(a)) continue;
    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left), tall = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (wide > 2 && tall > 2) found.push(`${a.textContent.trim().slice(0, 40)} / ${b.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    sys.path[:0] = [str(UNIT / "checks"), str(UNIT / "drawing")]
    from examined import card, examination, verdict
    from world import days, table

    import noria as nr
    from noria.drawing.documents.scorecard import Shown, to_html

    folder = tmp_path_factory.mktemp("reports")
    evil = '<img src="https://example.org/x.png" onerror="document.title=1">'
    before, now = (table(seed, shift=seed - 1.0, fade=0.4 * (seed - 1)).rename({"count": evil}) for seed in (1, 2))
    nr.check(before, now, label="late", score="p").to_html(folder / "whole.html")
    nr.check(days(1, 40), days(2, 12, shift=3.0), time="at").to_html(folder / "days.html")
    shown = Shown(title=f"late-arrival v3 {evil}", card=card(), examination=examination(), verdict=verdict())
    (folder / "card.html").write_text(to_html(shown), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("name", ["whole", "days", "card"])
def test_a_report_opens_anywhere_without_a_request_and_nothing_overlaps(browser, files, name):
    for width, theme in LOOKS:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
        page, wrong = context.new_page(), []
        page.on("console", lambda said, wrong=wrong: wrong.append(said.text))
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        page.on("request", lambda request, wrong=wrong: wrong.append(request.url) if not request.url.startswith("file:") else None)
        page.goto(f"file://{files / name}.html")
        for row in page.locator("details summary").all()[:2]:
            row.click()
        assert wrong == [], (width, theme)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (width, theme)
        assert page.evaluate(OVERLAPS) == [], (width, theme)
        assert page.title() != "1" and page.locator("img, script").count() == 0
        context.close()


def test_dark_is_dark_and_light_is_light(browser, files):
    seen = {}
    for theme in ("light", "dark"):
        context = browser.new_context(color_scheme=theme)
        page = context.new_page()
        page.goto(f"file://{files / 'whole.html'}")
        seen[theme] = page.evaluate(
            "[getComputedStyle(document.querySelector('.noria-doc')).backgroundColor, getComputedStyle(document.querySelector('h1')).color]"
        )
        context.close()
    assert seen["light"][0] == "rgb(250, 250, 249)" and seen["dark"][0] == "rgb(11, 13, 14)"
