#!/usr/bin/env bash
# Chromium, PostgreSQL and Prometheus are what browser, records and rules tests talk to. Installed where apt is at hand;
# elsewhere the tests that need them are skipped, with the reason.
set -u
want=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || want+=(chromium)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || want+=(postgresql)
command -v promtool >/dev/null || want+=(prometheus)
[ ${#want[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "tests: ${want[*]} not found and no apt-get here: tests that need them are skipped"; exit 0
fi
sudo=""; [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
log="$(mktemp)"
if $sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -q && apt-get install -y -q --no-install-recommends ${want[*]}" >"$log" 2>&1; then
  echo "tests: installed ${want[*]}"
else
  echo "tests: could not install ${want[*]} (see $log): tests that need them are skipped"
fi
