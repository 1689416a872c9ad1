#!/bin/sh
# Fetches Prometheus, promtool, Alertmanager and amtool into a folder, from the packages of Debian or Ubuntu, without root.
# Where there is no apt or no network it says so, and ends well: the tests that need them are skipped.
set -eu
folder=$1
names="prometheus prometheus-alertmanager"
if command -v prometheus && command -v promtool && command -v amtool; then exit 0; fi >/dev/null
if [ -x "$folder/usr/bin/amtool" ]; then exit 0; fi
if ! { command -v apt-get && command -v dpkg-deb; } >/dev/null; then
    echo "no apt here: tests that need Prometheus are skipped"
    exit 0
fi
mkdir -p "$folder/packages" "$folder/lists/partial" "$folder/cache/archives/partial"
cd "$folder/packages"
# Package lists of our own, where the system has none: only root may renew its lists.
own="-o Dir::State::Lists=../lists -o Dir::Cache=../cache"
# shellcheck disable=SC2086 (words)
if ! apt-get -qq download $names 2>/dev/null && ! { apt-get -qq $own update && apt-get -qq $own download $names; }; then
    echo "the packages of Prometheus cannot be fetched: tests that need them are skipped"
    exit 0
fi
for package in *.deb; do dpkg-deb -x "$package" ..; done
cd .. && rm -r packages lists cache
