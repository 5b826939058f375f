"""Addresses of runs are readable, short, safe on any file system, and unique to a configuration."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.address import LONGEST, address, changes, told
from validation.errors import UsageError
from validation.models import MODELS
from validation.settings import SETTINGS

REGISTERED = {"setting": "s", "rate": 0.5, "steps": None, "on": False, "ends": [0, 15], "layers": [],
              "model": {"name": "mlp", "hidden": 8}, "student": None, "seed": 7}


@pytest.mark.parametrize(("changed", "expected"), [
    ({}, "s/seed3"),
    ({"seed": 4}, "s/seed3"),
    ({"rate": 0.1, "on": True}, "s@on=true,rate=0.1/seed3"),
    ({"rate": 1.0}, "s@rate=1/seed3"), ({"rate": 1}, "s@rate=1/seed3"), ({"rate": 1e-5}, "s@rate=1e-05/seed3"),
    ({"rate": 0.5, "ends": (0, 15)}, "s/seed3"),
    ({"steps": 400, "rate": None}, "s@rate=none,steps=400/seed3"),
    ({"ends": [1, 2, 3]}, "s@ends=1-2-3/seed3"), ({"layers": ["stem"]}, "s@layers=stem/seed3"),
    ({"layers": ["stage1.0.conv1", "stem"], "ends": []}, "s@ends=none,layers=stage1.0.conv1-stem/seed3"),
    ({"model": {"name": "mlp", "hidden": 20}}, "s@model.hidden=20/seed3"),
    ({"student": {"name": "cnn", "depth": 3}}, "s@student.depth=3,student.name=cnn/seed3"),
    ({"model": None}, "s@model=none/seed3"),
])
def test_an_address_lists_the_changes(changed, expected):
    assert address("s", REGISTERED | changed, REGISTERED, 3) == expected


@pytest.mark.parametrize(("changed", "beginning"), [
    ({"rate": "a/b: c"}, "s@rate=a_b__c~"),           # unsafe characters
    ({"rate": "none"}, "s@rate=none~"),               # a string that reads like another value
    ({"ends": [-1, 2]}, "s@ends=-1-2~"),              # the separator within a value
    ({"layers": "stem"}, "s@layers=stem~"),           # not a list of one
    ({"model": {"name": "cnn"}}, "s@model.name=cnn~"),  # a part of another kind, with other fields
])
def test_an_ambiguous_address_ends_in_a_hash(changed, beginning):
    found = address("s", REGISTERED | changed, REGISTERED, 0)
    assert re.fullmatch(re.escape(beginning) + "[0-9a-f]{10}/seed0", found)


def test_a_long_address_is_cut_between_two_values():
    changed = {f"value_{k}": k for k in range(40)}
    found = address("s", REGISTERED | changed, REGISTERED, 0)
    other = address("s", REGISTERED | changed | {"value_39": 0}, REGISTERED, 0)
    text, _, rest = found.partition("~")
    assert re.fullmatch(r"s@value_0=0,value_1=1(,value_1(\d)=1\2)+", text)
    assert len(found) <= LONGEST + len("s@/seed0") and found != other and other.startswith(text) and len(rest) == 16


def test_the_address_of_a_changed_setting_reads_like_its_flags():
    setting = SETTINGS["mlp_mnist"]

    def of(changed):
        return address(setting.name, changed.configuration(), setting.configuration(), 0)

    assert of(setting) == "mlp_mnist/seed0"
    assert of(replace(setting, data=replace(setting.data, label_noise=0.2))) == "mlp_mnist@data.label_noise=0.2/seed0"
    student = of(replace(setting, student_model=MODELS["mlp"](hidden=50)))
    assert student.startswith("mlp_mnist@student_model.bias=true,student_model.hidden=50,")
    assert len({of(one) for one in (setting, replace(setting, model=MODELS["resnet"]()), replace(
        setting, model=MODELS["resnet"](depth=14)), replace(setting, student_model=MODELS["resnet"]()))}) == 4


@pytest.mark.parametrize("name", ["", "a/b", "a@b", ".hidden", "teachers", "ä"])
def test_an_invalid_folder_name_raises(name):
    with pytest.raises(UsageError, match="NAME: expected a setting's name of letters, digits"):
        address(name, REGISTERED, REGISTERED, 0)


def test_changes_are_reported_by_dotted_names():
    new = REGISTERED | {"model": {"name": "mlp"}, "rate": 0.25, "fresh": [1]}
    assert told(new, REGISTERED) == ["fresh: absent registered, [1] here", "model.hidden: 8 registered, absent here",
                                     "rate: 0.5 registered, 0.25 here"]
    assert told(REGISTERED, REGISTERED) == []


WORDS = st.sampled_from([0.5, 1e-5, 1e16, "none", "true", "a", "b", "a-b", "1", "A", ""]) | st.text(max_size=4)
SCALARS = (st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | WORDS
           | st.floats(allow_nan=False, allow_infinity=False))
VALUES = SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=1), max_size=3)
KEYS = st.sampled_from(["a", "b", "c", "a.b", "A"])
PARTS = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)
CONFIGURATIONS = st.dictionaries(KEYS, PARTS, max_size=3)


@given(CONFIGURATIONS, CONFIGURATIONS, CONFIGURATIONS)
def test_two_configurations_share_an_address_only_if_they_are_equal(registered, one, other):
    first, second = (address("s", configuration, registered, 0) for configuration in (one, other))
    assert (first == second) == (not changes(one, other))
    assert (first == "s/seed0") == (not changes(one, registered))
    assert re.fullmatch(r"s(@[A-Za-z0-9_.,=+~-]+)?/seed0", first) and len(first) < 200
