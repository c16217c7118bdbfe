"""The page in a real browser: no error in the console, charts drawn, alive, dark when asked, usable by keyboard."""

import contextlib
import importlib.util
import socket
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn

from noria.core.alerting import Silence
from noria.core.state import LoopState
from noria.ports import wire
from noria.ports.records import Put
from noria.server.application import create_app

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SAMPLE = Path(__file__).parents[1] / "unit" / "server" / "sample.py"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def load_sample():
    spec = importlib.util.spec_from_file_location("noria_sample_home", SAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Site:
    """The sample home behind a real socket; may be stopped and started again at the same address."""

    def __init__(self, services):
        self.services = services
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        config = uvicorn.Config(create_app(self.services), host="127.0.0.1", port=self.port, log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self):
        self._server.should_exit = True
        self._thread.join()

    def change(self, loop, **values):
        record = self.services.records.get("loop", loop)
        changed = replace(wire.load(record.body, LoopState), **values)
        self.services.records.commit(Put(kind="loop", key=loop, body=wire.dump(changed)))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(load_sample().SampleServices(tmp_path_factory.mktemp("home")))
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, site):
    context = browser.new_context(base_url=site.url, viewport={"width": 1440, "height": 900}, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.wrong = []
    page.on("console", lambda said: page.wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("request", lambda request: page.wrong.append(f"asks {request.url}") if not request.url.startswith(site.url) else None)
    yield page
    context.close()


def drawn(page, at_least):
    charts = page.locator("[data-chart]")
    for k in range(charts.count()):
        charts.nth(k).scroll_into_view_if_needed()
        page.locator("[data-chart]").nth(k).and_(page.locator("[data-drawn]")).wait_for(timeout=30_000)
    return page.locator("[data-chart] svg, [data-chart] canvas").count() >= at_least


@pytest.mark.parametrize(
    ("path", "charts"), [("/", 1), ("/loops/late-arrival", 3), ("/loops/late-arrival/deployment", 1), ("/incidents/incident_2winter", 3)]
)
def test_pages_draw_their_charts_without_a_word_in_the_console(page, path, charts):
    page.goto(path)
    assert drawn(page, charts)
    assert page.wrong == []


@pytest.mark.parametrize(
    "path", ["/why/late-arrival", "/events", "/incidents", "/loops/taxi-demand", "/anomalies", "/anomalies/late-arrival-2"]
)
def test_other_pages_load_without_a_word_in_the_console(page, path):
    page.goto(path)
    page.locator("h1").wait_for()
    assert page.wrong == []


def test_a_chart_tells_its_values_where_one_points(page):
    page.goto("/loops/late-arrival")
    assert drawn(page, 3)
    page.locator("[data-chart] svg").first.hover(position={"x": 500, "y": 120})
    page.locator("#tip dt", has_text="roc_auc").wait_for()
    assert page.wrong == []


def test_the_page_follows_what_changes_without_a_reload(page, site):
    page.goto("/")
    drawn(page, 1)
    page.evaluate("window.untouched = document.querySelector('[data-chart] svg')")
    site.change("late-arrival", next_action="nothing until Tuesday")
    page.get_by_text("nothing until Tuesday").wait_for(timeout=10_000)
    assert page.evaluate("window.untouched.isConnected"), "the chart was torn down"
    assert page.wrong == []


def test_the_page_survives_a_restart_of_the_server(page, site):
    page.goto("/events")
    page.locator(".event").first.wait_for()
    site.stop()
    try:
        page.locator(".offline").wait_for(state="visible", timeout=10_000)
    finally:
        site.start()
    page.locator(".offline").wait_for(state="hidden", timeout=15_000)


def test_the_theme_follows_the_system_and_the_toggle_and_is_kept(page):
    background = "getComputedStyle(document.body).backgroundColor"
    page.goto("/")
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert light != dark
    page.get_by_label("Change between light and dark").click()
    assert page.evaluate(background) == light
    page.reload()
    assert page.evaluate(background) == light


def go(page, letter, where):
    """Press g and a letter, and again as a person would when the machine was too slow to see them as a pair."""
    too_slow = pytest.importorskip("playwright.sync_api").TimeoutError
    for _ in range(5):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        with contextlib.suppress(too_slow):
            page.wait_for_url(where, timeout=3_000)
            return
    raise AssertionError(f"g {letter} does not lead to {where}")


def test_the_keyboard_leads_everywhere(page, site):
    page.goto("/")
    go(page, "i", "**/incidents")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/incident_2winter")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.locator("#help").wait_for(state="hidden")
    go(page, "e", "**/events")
    page.keyboard.press("/")
    page.keyboard.type("alias.moved")
    page.keyboard.press("Enter")
    page.wait_for_url("**kind=alias.moved*")
    assert page.locator(".event").count() == 2


def test_a_verb_asks_for_a_name_and_a_reason(page, site):
    page.goto("/loops/taxi-demand")
    page.get_by_role("button", name="Turn now").click()
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Reason").fill("a drill")
    page.get_by_role("button", name="Do it").click()
    page.locator("#verb").wait_for(state="hidden")
    assert site.services.asked == [("turn", "taxi-demand", "ada", "a drill")]


def test_a_silence_goes_with_the_fields_of_its_form(page, site):
    page.goto("/incidents/incident_2winter")
    page.get_by_label("How long").select_option("8h")
    page.get_by_label("Of what").select_option("wind_speed")
    page.get_by_role("button", name="Silence").click()
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Reason").fill("the feed is moved")
    page.get_by_role("button", name="Do it").click()
    page.locator("#verb").wait_for(state="hidden")
    page.get_by_text("of wind_speed silent until").first.wait_for()
    (made,) = [one for one in site.services.documents.find(Silence) if one.subject == "wind_speed"]
    assert (made.by, made.because, made.monitor, made.until - made.since) == ("ada", "the feed is moved", "", timedelta(hours=8))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/loops/late-arrival",
        "/loops/late-arrival/deployment",
        "/why/late-arrival",
        "/events",
        "/incidents",
        "/incidents/incident_2winter",
        "/anomalies",
        "/anomalies/late-arrival-2",
        "/loops/late-arrival/requests/f-1%3Cb%3E",
    ],
)
def test_nothing_sticks_out_on_a_telephone(page, path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path)
    page.locator("h1").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_whole_scorecard_draws_its_figures_live_and_fits_a_telephone(page):
    page.goto("/loops/late-arrival")
    page.goto(page.locator("a[href^='/turns/']").first.get_attribute("href"))
    page.get_by_text("The whole scorecard").click()
    page.locator("h1").wait_for()
    assert drawn(page, 11)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.wrong == []
