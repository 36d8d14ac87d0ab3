import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.cohort.naming import LONGEST, Wanted, file_name, name_cases, series_name

STEMS = st.sampled_from(["ct", "CT", "Ct", "a b", "a_b", "ä b", "ct-0123456789ab", "患者", ""])
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map("/".join)


@st.composite
def cohorts(draw):
    """CTs with few different stems and folders, so that many of them clash."""
    keys = draw(st.sets(st.tuples(st.sampled_from(["/x", "/y"]), PATHS, STEMS), max_size=25))
    return [
        Wanted(file_name(stem), f"{folder}/{stem}", f"{root}/{folder}/{stem}")
        for root, folder, stem in sorted(keys)
    ]


@given(cohorts())
def test_no_two_names_are_equal_in_small_letters_or_capitals(cases):
    names = [name.lower() for name in name_cases(cases)]
    assert len(set(names)) == len(cases)


@given(cohorts(), st.data())
def test_names_do_not_depend_on_the_order(cases, data):
    names = dict(zip(cases, name_cases(cases), strict=True))
    shuffled = data.draw(st.permutations(cases))
    assert dict(zip(shuffled, name_cases(shuffled), strict=True)) == names


@given(cohorts(), st.data())
def test_a_ct_that_is_added_never_gets_the_name_of_another(cases, data):
    before = [case for case in cases if data.draw(st.booleans())]
    had = dict(zip((name.lower() for name in name_cases(before)), before, strict=True))
    for case, name in zip(cases, name_cases(cases), strict=True):
        assert had.get(name.lower(), case) == case


@given(st.text())
def test_a_name_is_safe_and_short(stem):
    name = file_name(stem)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert not name.endswith(".")
    assert len(name) <= LONGEST + 3


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("sub-001_ct.v2", "sub-001_ct.v2"),
        ("Müller, Jörg", "Muller_Jorg"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("患者", "case"),
        ("", "case"),
        ("NUL", "ct_NUL"),
        ("com1.old", "ct_com1.old"),
        ("common", "common"),
        ("ct-0123456789ab", "ct-0123456789ab_"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_file_is_named_by_its_stem(stem, name):
    assert file_name(stem) == name


def test_a_name_that_is_alone_has_no_hash():
    cases = [Wanted("a", "x/a.nrrd", "/in/x/a.nrrd"), Wanted("b", "x/b.nrrd", "/in/x/b.nrrd")]
    assert name_cases(cases) == ["a", "b"]


def test_names_that_clash_have_the_hash_of_their_path_inside_the_input():
    cases = [
        Wanted("ct", "p1/ct.nrrd", "/in/p1/ct.nrrd"),
        Wanted("CT", "p2/CT.mha", "/in/p2/CT.mha"),
    ]
    digits = [
        hashlib.sha256(text.encode()).hexdigest()[:12] for text in ("p1/ct.nrrd", "p2/CT.mha")
    ]
    assert name_cases(cases) == [f"ct-{digits[0]}", f"CT-{digits[1]}"]


def test_the_same_path_inside_two_inputs_is_told_apart_by_the_whole_path():
    cases = [Wanted("ct", "ct.nrrd", "/a/ct.nrrd"), Wanted("ct", "ct.nrrd", "/b/ct.nrrd")]
    digits = [
        hashlib.sha256(text.encode()).hexdigest()[:12] for text in ("/a/ct.nrrd", "/b/ct.nrrd")
    ]
    assert name_cases(cases) == [f"ct-{digits[0]}", f"ct-{digits[1]}"]


def test_a_hash_never_leads_to_a_name_that_is_taken():
    taken = f"ct-{hashlib.sha256(b'a').hexdigest()[:12]}"
    cases = [Wanted("ct", "a", "/a"), Wanted("ct", "b", "/b"), Wanted(taken, "c", "/c")]
    names = name_cases(cases)
    assert names[2] == taken
    assert len(set(names)) == 3


def test_a_series_is_named_by_the_hash_of_its_uid():
    expected = hashlib.sha256(b"1.2.840.99").hexdigest()[:12]
    assert series_name("1.2.840.99") == f"ct-{expected}"


def test_a_reserved_name_is_not_given():
    (name,) = name_cases([Wanted("Summary.csv", "a", "/a")], reserved=["summary.csv"])
    assert re.fullmatch(r"Summary\.csv-[0-9a-f]{12}", name)


def test_two_cases_of_one_path_are_a_mistake():
    with pytest.raises(ValueError, match="two cases of one path"):
        name_cases([Wanted("a", "x", "/x")] * 2)
