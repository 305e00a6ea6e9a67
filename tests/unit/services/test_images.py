"""What an image holds is all that its service needs: its own folder and its own lock."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

ALONE = """
import importlib, pkgutil, re, sys
from importlib.metadata import packages_distributions
from pathlib import Path

service, kind, locked = sys.argv[1:]

def normal(name):
    return re.sub("[-_.]+", "-", name).lower()

held = {normal(found) for found in re.findall("^([^ =]+)==", Path(locked).read_text(), re.M)}
here = packages_distributions()


class Image:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        others = name.startswith("services.") and not name.startswith(
            (f"services.{service}", "services.starting")
        )
        if others or (top in here and held.isdisjoint(map(normal, here[top]))):
            raise ModuleNotFoundError(f"the image of {service} has no {name}", name=name)


sys.meta_path.insert(0, Image())
package = importlib.import_module(f"services.{service}")
for found in pkgutil.walk_packages(package.__path__, f"services.{service}."):
    if "migrations" not in found.name and not found.name.endswith("__main__"):
        importlib.import_module(found.name)
from heliograph.bus import MemoryBus
settings = importlib.import_module(f"services.{service}.settings")
services = importlib.import_module(f"services.{service}.service")
made = getattr(settings, f"{kind}Settings")(
    database_url="sqlite+aiosqlite:///nowhere.db",
    secret_key="a key of the tests, long enough for HS256",
)
getattr(services, kind)(made, MemoryBus()).app({"api", "relay", "work"})
"""


@pytest.mark.parametrize("service", ["catalog", "notifier", "console"])
def test_a_service_needs_nothing_that_its_image_lacks(service: str, tmp_path: Path) -> None:
    locked = ROOT / "requirements" / f"{service}.txt"
    command = [sys.executable, "-c", ALONE, service, service.title(), str(locked)]
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}"}
    ended = subprocess.run(
        command, cwd=tmp_path, env=path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
