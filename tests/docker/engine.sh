#!/usr/bin/env bash
# A container engine and base images made from Debian packages alone, for a machine without engine or registry.
# Needs root on Debian 12 and apt-get; pulls no image.
#
#     tests/docker/engine.sh start FOLDER     engine and bases under FOLDER; the second time in seconds
#     . FOLDER/env                            DOCKER_HOST and DOCKER_CONFIG of that engine
#     tests/docker/engine.sh stop FOLDER
set -euo pipefail

action=$1 folder=$(realpath --canonicalize-missing "$2")
here=$(dirname "$(realpath "$0")")
export DOCKER_HOST=unix://$folder/docker.sock DOCKER_CONFIG=$folder/config

install_engine() {
  command -v dockerd iptables debootstrap > /dev/null && return
  apt-get update
  apt-get install --yes --no-install-recommends docker.io iptables debootstrap
}

# Debian 12 has no compose of version 2: take the plugins of Debian 13, from this machine's own mirrors
install_plugins() {
  local plugins=$DOCKER_CONFIG/cli-plugins apt=$folder/apt
  [ -x "$plugins/docker-compose" ] && return
  mkdir -p "$plugins" "$apt/sources" "$apt/lists/partial" "$apt/packages"
  for sources in /etc/apt/sources.list /etc/apt/sources.list.d/debian.*; do
    [ ! -e "$sources" ] || sed s/bookworm/trixie/g "$sources" > "$apt/sources/${sources##*/}"
  done
  local options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::State::lists=$apt/lists")
  apt-get "${options[@]}" update
  (cd "$apt/packages" && apt-get "${options[@]}" -o APT::Sandbox::User=root download docker-compose docker-buildx)
  for package in "$apt"/packages/*.deb; do dpkg --extract "$package" "$apt/unpacked"; done
  find "$apt/unpacked" -type f -path '*/cli-plugins/*' -exec mv {} "$plugins" \;
}

start_engine() {
  docker info > /dev/null 2>&1 && return
  mkdir -p "$folder/exec"
  setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/dockerd.pid" \
    --host "$DOCKER_HOST" --storage-driver overlay2 > "$folder/dockerd.log" 2>&1 < /dev/null &
  for _ in {1..60}; do
    docker info > /dev/null 2>&1 && return
    sleep 1
  done
  tail "$folder/dockerd.log" >&2
  exit 1
}

has() { docker image inspect "$1" > /dev/null 2>&1; }

# what the official image of that name has, as far as our Dockerfile asks for it; with this machine's CA certificates
python_base() {
  has python:3.11-slim-bookworm && return
  local base=$folder/base
  rm -rf "$base"
  debootstrap --variant=minbase \
    --include=ca-certificates,netbase,python-is-python3,python3,python3-pip,python3-venv,tzdata bookworm "$base"
  rm -f "$base"/usr/lib/python3*/EXTERNALLY-MANAGED "$base"/var/cache/apt/archives/*.deb
  cp -r /usr/local/share/ca-certificates/. "$base/usr/local/share/ca-certificates"
  chroot "$base" update-ca-certificates
  cp /etc/apt/sources.list.d/debian.* "$base/etc/apt/sources.list.d" 2> /dev/null && : > "$base/etc/apt/sources.list"
  tar --create --directory "$base" . | docker import - python:3.11-slim-bookworm
  rm -rf "$base"
}

postgres_base() {
  has postgres:17 || docker build --tag postgres:17 "$here/postgres"
}

case $action in
  start)
    mkdir -p "$folder"
    install_engine
    install_plugins
    start_engine
    python_base
    postgres_base
    printf 'export DOCKER_HOST=%q DOCKER_CONFIG=%q\n' "$DOCKER_HOST" "$DOCKER_CONFIG" > "$folder/env"
    ;;
  stop)
    pid=$(cat "$folder/dockerd.pid")
    kill "$pid"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.2; done
    ;;
esac
