"""Packaging: a light import, a wheel that contains only the package, a README that runs, pins without addresses."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, **options)


def test_import_loads_no_heavy_library():
    loaded = python("import sys, eigenkd; print(*{'jax', 'torch', 'matplotlib', 'scipy'} & set(sys.modules))")
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("module, unwanted", [
    ("cross_entropy", "jax diffrax torch matplotlib"),
    ("theorem", "jax torch matplotlib"), ("risk", "jax torch matplotlib"),
    ("krylov", "jax torch matplotlib"), ("deviation", "jax torch matplotlib"), ("projection", "jax torch matplotlib"),
    ("plot", "jax torch matplotlib.pyplot")])
def test_modules_load_on_first_use(module, unwanted):
    code = f"import sys, eigenkd; eigenkd.{module}; print(*set({unwanted.split()}) & set(sys.modules))"
    loaded = python(code)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("module", [
    "paper_figures", "paper_figures.__main__", "benchmarks", "benchmarks.__main__", "validation.runs",
    "validation.address", "validation.compact"])
def test_modules_that_read_records_load_no_pytorch(module):
    loaded = python(f"import sys, {module}; print('torch' in sys.modules)")
    assert loaded.stdout.split() == ["False"], loaded.stderr


def test_the_core_needs_only_numpy_scipy_and_array_api_compat():
    """Without any other library, the closed forms and both measurements still work."""
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"jax", "jaxlib", "torch", "torchvision", "matplotlib", "mlxtend", "sklearn", "tyro",
                                  "tqdm", "pandas"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np
from eigenkd import deviation, kernel_flow, linear_flow, projection, theorem
rng = np.random.default_rng(0)
X, y = rng.normal(size=(9, 5)), rng.normal(size=9)
flow = linear_flow(X, y)
assert theorem.check(flow, 1.0, 2.0).holds.all()
kernel_flow(X @ X.T, y).student(1.0, 2.0).fitted
deviation.compare(rng.normal(size=(50, 3)), rng.normal(size=(50, 3))).summary()
projection.eigenbasis(X)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_the_wheel_alone_records_a_training_loop(wheel, tmp_path):
    """The wheel, without the repository, contains everything that docs/eigenspace.md imports."""
    code = f"""
import sys
sys.path.insert(0, {str(wheel)!r})
import torch, eigenkd
from torch import nn
from eigenkd.torch import Recorder, basis_of, tangent_kernel
assert {str(wheel)!r} in eigenkd.__file__ and eigenkd.torch.Recorder is Recorder
network, x = nn.Linear(3, 2), torch.eye(3)
optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
recorder = Recorder(network, {{"": basis_of(network, "", [x])}})
recorder.follow(optimiser)
network(x).square().sum().backward()
optimiser.step()
assert recorder.paths()[""].shape == (2, 2, 3) and tangent_kernel(network, x).shape == (6, 6)
print(*{{"validation", "jax", "matplotlib"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path,
                          env={"PATH": ""})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_without_pytorch_eigenkd_torch_says_what_to_install():
    done = python("import sys; sys.modules['torch'] = None; import eigenkd; eigenkd.torch")
    assert "ImportError: eigenkd.torch: expected PyTorch, which is missing; pip install 'eigenkd[torch]'" in done.stderr


def test_a_star_import_does_not_shadow_torch():
    done = python("from eigenkd import *\nimport sys; print('torch' in sys.modules, 'torch' in globals())")
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_an_unknown_name_is_an_attribute_error():
    import eigenkd

    with pytest.raises(AttributeError, match="module 'eigenkd' has no attribute 'linear_flows'"):
        eigenkd.linear_flows  # noqa: B018
    names = {"linear_flow", "kernel_flow", "filters", "theorem", "deviation", "projection", "plot", "torch"}
    assert names <= set(dir(eigenkd))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a newly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_contains_only_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"eigenkd"}
    assert {"eigenkd/flow.py", "eigenkd/theorem/__init__.py", "eigenkd/deviation/page.js"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_readme_runs_as_written():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        done = python(block)
        assert done.returncode == 0, done.stderr


def test_the_readme_names_only_what_exists():
    text = (ROOT / "README.md").read_text()
    named = ["".join(pair) for pair in re.findall(r"\]\(([^)#]+)\)|<img src=\"([^\"]+)\"", text)]
    paths = [path for path in named if not path.startswith("http")]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_cited_equation_exists():
    theory = (ROOT / "docs" / "theory.md").read_text()
    numbered = {int(number) for number in re.findall(r"\\tag\{(\d+)\}", theory)}
    assert numbered == set(range(1, len(numbered) + 1))
    cited = {}
    for path in sorted(path for folder in ("eigenkd", "tests", "docs") for path in (ROOT / folder).rglob("*.*")):
        if path.suffix in (".py", ".md"):
            for group in re.findall(r"Eqs?\.\s+((?:\(\w+\)(?:,?\s+(?:and\s+)?|-|\s+to\s+)?)+)", path.read_text()):
                for number in re.findall(r"\((\w+)\)", group):
                    cited.setdefault(number, path.name)
    assert len(cited) > 30
    assert not {number: where for number, where in cited.items() if number not in set(map(str, numbered))}


def test_the_pins_cover_every_dependency_and_name_no_address():
    import tomllib

    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = content["project"], content["dependency-groups"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra),
              *(d for group in groups.values() for d in group if isinstance(d, str))]
    text = (ROOT / "constraints.txt").read_text()
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in text.splitlines() if "==" in line}
    names = {re.split(r"[\[<>=]", d)[0].lower() for d in wanted} - {"eigenkd"}
    assert names <= pinned
    assert "://" not in text
    assert "/" not in text
