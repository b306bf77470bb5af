#!/bin/sh
# Writes the four locks anew: what development installs, and what each service's machine installs. The services' locks are
# constrained by the development lock, so that what was tested is what runs. Needs uv. No index host is written.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() {
    # Our own four packages are installed from the tree, so they are left out of the locks.
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-header --no-emit-package camfleet-contract --no-emit-package camfleet-control-plane \
        --no-emit-package camfleet-recorder --no-emit-package camfleet-camera-simulator "$@"
}
compile --group pyproject.toml:development shared/pyproject.toml services/*/pyproject.toml --output-file requirements/development.txt
for service in control_plane recorder camera_simulator; do
    compile "services/$service/pyproject.toml" --constraint requirements/development.txt \
        --output-file "requirements/$(echo "$service" | tr _ -).txt"
done
# Building our own packages needs this alone.
echo hatchling | "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-header --constraint requirements/development.txt - --output-file requirements/build.txt
