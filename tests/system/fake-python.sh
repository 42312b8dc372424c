#!/bin/sh
case "$*" in
*"-m pip config list"*) [ -z "$FAKE_INDEX" ] || echo "global.index-url='https://packages.example'" ;;
*installer.txt*)
    [ -z "$FAKE_OFFLINE" ] || exit 1
    printf '#!/bin/sh\necho "uv $*" >>diary\n[ -z "$FAKE_UV_FAILS" ]\n' >.venv/bin/uv; chmod +x .venv/bin/uv ;;
*"-m pip"*)
    echo "pip $*" >>diary
    [ -z "$FAKE_PIP_KILLED" ] || kill -9 $$
    [ -z "$FAKE_OFFLINE" ] || { echo "ERROR: no route to the package index" >&2; exit 1; } ;;
*"-m venv"*)
    echo "venv" >>diary
    rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python
    [ -z "$FAKE_VENV_FAILS" ] || { echo "Error: ensurepip failed" >&2; exit 1; }
    touch .venv/pip ;;
*ensurepip*) [ -z "$FAKE_NO_VENV" ] ;;
*"import pip"*) [ -e .venv/pip ] ;;
*version_info*) [ -z "$FAKE_OLD" ] ;;
*--version*) echo "Python 3.9.2" ;;
*"-m devtools.cluster"*) echo "Plaza runs as a cluster on $PORT over $STORE" ;;
*"-m embedded"*) echo "Plaza runs" ;;
*install_chart_tools.py*) mkdir -p .venv/tools; cp requirements/helm.txt .venv/tools; echo "chart tools" >>diary ;;
*) echo "python ran $*" ;;
esac
