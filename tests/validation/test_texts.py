"""Data sets of texts: your own files, WordNet's definitions, and the paper's corpora."""

from dataclasses import replace

import numpy as np
import pandas
import pytest

from validation.data import IMDB, MNLI, AGNews, OwnTexts, Tokens, WordNet, wordnet
from validation.data.examples import draw
from validation.data.texts import array
from validation.errors import UsageError
from validation.settings.setting import Data

ROWS = [("a rose, red", "plant"), ("the old cat", "animal"), ('a "quoted"\tfern', "plant"), ("NA", "animal"),
        ("naïve café", "plant"), ("a very\nlong dog", "animal")] * 3
WRITERS = {".csv": lambda table, path: table.to_csv(path, index=False),
           ".jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
           ".parquet": lambda table, path: table.to_parquet(path)}


@pytest.fixture
def table():
    return pandas.DataFrame(ROWS, columns=["text", "label"])


@pytest.mark.parametrize("ending", WRITERS)
def test_texts_are_read_as_they_were_written(tmp_path, table, ending):
    WRITERS[ending](table, tmp_path / f"own{ending}")
    dataset = OwnTexts(path=str(tmp_path / f"own{ending}"))
    splits = dataset.load(tmp_path, None)
    assert dataset.class_names == ("animal", "plant") and dataset.shape == (1,)
    texts = splits.train_inputs[:, 0].tolist() + splits.test_inputs[:, 0].tolist()
    labels = [dataset.class_names[label] for label in (*splits.train_labels, *splits.test_labels)]
    assert sorted(zip(texts, labels)) == sorted(ROWS)
    assert len(splits.test_labels) == 3  # every fifth, in the order of classes


def test_tsv_has_no_quotes_and_pairs_have_two_columns(tmp_path):
    (tmp_path / "own.tsv").write_text('one\ttwo\tlabel\na "b\tc"\t0\nNone\tnull\t1\n')
    (tmp_path / "test.tsv").write_text("one\ttwo\tlabel\nd\te\t1\n")
    dataset = OwnTexts(path=str(tmp_path / "own.tsv"), test_path=str(tmp_path / "test.tsv"), text=("one", "two"))
    splits = dataset.load(tmp_path, None)
    assert splits.train_inputs.tolist() == [['a "b', 'c"'], ["None", "null"]] and dataset.shape == (2,)
    assert splits.test_inputs.tolist() == [["d", "e"]] and splits.test_labels.tolist() == [1]


def test_other_content_is_another_source(tmp_path, table):
    names = []
    for text in ("a rose", "a lily"):
        table.loc[0, "text"] = text
        table.to_csv(tmp_path / "own.csv", index=False)
        names.append(OwnTexts(path=str(tmp_path / "own.csv")).usual_source)
    assert names[0] != names[1] and all(name.startswith("texts_") for name in names)


@pytest.mark.parametrize(("name", "content", "fields", "message"), [
    ("own.csv", "text,label\na,0\nb,1\n", {"text": ("body",)}, "--data.set.text: expected a column of .*got 'body'"),
    ("own.csv", "text,label\na,0\nb,1\n", {"label": "kind"}, "--data.set.label: expected a column of .*got 'kind'"),
    ("own.csv", "text,label\na,0\nb,0\n", {}, "--data.set.label: expected at least two classes .*got 1"),
    ("own.jsonl", '{"text": "a", "label": 0}\n{"label": 1}\n', {}, "expected a value of 'text' in each row, got none in"
                                                                    " row 2"),
    ("own.csv", "text,label\n", {}, "--data.set.path: expected rows in .*got none"),
    ("own.csv", "text,label\na,\nb,1\n", {}, "expected a value of 'label' in each row, got none in row 1"),
    ("own.csv", "text,label\na,0\nb,1\nc,1\nd,0\n", {}, "--data.set.path: expected five rows or more in .*got 4; add"),
    ("own.csv", "text,label\n" + "".join(f"a,{i}.5\n" for i in range(10)), {},
     r"--data.set.label: expected classes with two rows or more .*one row of '4.5' \(10 different values in 10 rows"),
    ("own.csv", "text;label\na;0\nb;1\n", {}, "--data.set.text: expected a column of .*; separate columns by commas"),
    ("own.jsonl", '{"text": "a", "label": 0}\n{"text": ["b"], "label": 1}\n', {},
     "--data.set.path: expected a text or a number of 'text' in each row, got a list in row 2"),
    ("own.txt", "a", {}, r"--data.set.path: expected a file that ends in .parquet, .tsv, .csv, .jsonl, got .*own.txt"),
    ("own.parquet", "no parquet", {}, "--data.set.path: expected rows with named columns in .*own.parquet, got: "),
    ("own.jsonl", "no json", {}, "--data.set.path: expected rows with named columns in .*own.jsonl, got: "),
])
def test_what_is_wrong_with_a_file_of_texts_is_said(tmp_path, name, content, fields, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message) as raised:
        OwnTexts(path=str(tmp_path / name), **fields).load(tmp_path, None)
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_an_unknown_class_of_the_test_file_are_named(tmp_path, table):
    with pytest.raises(UsageError, match=r"--data.set.path: expected a file with a row for each text, got nowhere.csv"):
        OwnTexts(path="nowhere.csv").load(tmp_path, None)
    table.to_csv(tmp_path / "own.csv", index=False)
    table.assign(label="rock").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(UsageError, match=r"--data.set.test-path: expected .*\(animal, plant\), got 'rock'"):
        OwnTexts(path=str(tmp_path / "own.csv"), test_path=str(tmp_path / "test.csv")).load(tmp_path, None)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    def absent(path):
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pandas, "read_parquet", absent)
    with pytest.raises(UsageError, match=r"expected the package pyarrow .*eigenkd\[text\]"):
        OwnTexts(path=str(tmp_path / "own.parquet")).load(tmp_path, None)


def test_examples_of_texts_have_a_digest_of_their_content(table, tmp_path):
    table.to_csv(tmp_path / "own.csv", index=False)
    splits = OwnTexts(path=str(tmp_path / "own.csv")).load(tmp_path, None)
    data = Data(OwnTexts(), Tokens(), train_examples=10)
    one, again, other = (draw(splits, data, seed) for seed in (0, 0, 1))
    assert one.sha256() == again.sha256() != other.sha256()
    changed = replace(one, train_inputs=array([["x"], *one.train_inputs.tolist()[1:]]))
    assert changed.sha256() != one.sha256()
    joined = replace(one, train_inputs=array([["a", "b"]])), replace(one, train_inputs=array([["a b", ""]]))
    assert joined[0].sha256() != joined[1].sha256()


@pytest.mark.skipif(not wordnet.DEBIAN.is_dir(), reason="apt-get install wordnet-base, 6.5 MB")
def test_wordnet_has_the_definitions_of_its_eight_largest_classes(tmp_path):
    dataset = WordNet()
    splits = dataset.load(tmp_path, False)
    texts = [text for text, in splits.train_inputs.tolist()]
    assert (len(texts), len(splits.test_labels)) == dataset.examples == (50_993, 5_000)
    whole = WordNet(tests=5_663).load(tmp_path, False)
    assert len(whole.train_labels) + len(whole.test_labels) == 56_656
    counts = np.bincount(np.concatenate([whole.train_labels, whole.test_labels]))
    assert dict(zip(dataset.class_names, counts.tolist())) == wordnet.COUNTS
    assert whole.train_inputs.tolist() == splits.train_inputs.tolist()
    assert len({*texts, *whole.test_inputs[:, 0].tolist()}) == 56_656  # none is in both, none is there twice
    found = dict(zip(texts, splits.train_labels.tolist()))
    known = {"a member of the genus Canis (probably descended from the common wolf) that has been domesticated by man "
             "since prehistoric times; occurs in many breeds": "animal",
             "a location other than here; that place": "location"}
    assert {text: dataset.class_names[found[text]] for text in known} == known
    assert not any("license" in text.lower() and "princeton" in text.lower() for text in texts)


def test_wordnet_says_what_to_install_and_refuses_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr(wordnet, "DEBIAN", tmp_path / "debian")
    with pytest.raises(UsageError, match=r"--data-dir: expected data.noun of WordNet 3.0 .*wordnet-base.*put the file"):
        WordNet().load(tmp_path, None)
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet" / "data.noun").write_text("00001 04 n 01 a 0 000 | another")
    assert not WordNet().locate(tmp_path, None).missing
    with pytest.raises(UsageError, match=r"--data-dir: expected WordNet 3.0's nouns as published"):
        WordNet().load(tmp_path, None)
    with pytest.raises(UsageError, match=r"--data.set.tests: expected 1 to 5,663 test examples, got 0"):
        WordNet(tests=0)


def corpus(folder, monkeypatch, dataset, labels, ending=".parquet"):
    """Writes a small data set in place of a corpus; its columns are those of the hub."""
    (folder / dataset.name).mkdir(exist_ok=True)
    monkeypatch.setattr(type(dataset), "examples", (len(labels), 2))
    for part, chosen in (("train", labels), ("test", labels[:2])):
        rows = {column: [f"{column} {i}" for i in range(len(chosen))] for column in dataset.columns}
        WRITERS[ending](pandas.DataFrame(rows | {"label": chosen, "idx": 0}), folder / dataset.name / f"{part}{ending}")


@pytest.mark.parametrize("labels", [[0, 1, 2, 1], ["entailment", "neutral", "contradiction", "neutral"]])
def test_a_corpus_is_read_from_files_with_the_columns_of_the_hub(tmp_path, monkeypatch, labels):
    corpus(tmp_path, monkeypatch, MNLI(), labels)
    splits = MNLI().load(tmp_path, False)
    assert splits.train_inputs.tolist()[1] == ["premise 1", "hypothesis 1"]
    assert splits.train_labels.tolist() == [0, 1, 2, 1] and splits.test_labels.tolist() == [0, 1]
    assert splits.source.name == MNLI().usual_source == "mnli" and str(tmp_path) in splits.source.note


def test_a_corpus_of_other_size_or_labels_raises(tmp_path, monkeypatch):
    corpus(tmp_path, monkeypatch, AGNews(), [0, 1, 2, 7], ".jsonl")
    with pytest.raises(UsageError, match=r"--data-dir: expected labels from 0 to 3 or World, .*got '7'"):
        AGNews().load(tmp_path, None)
    monkeypatch.setattr(AGNews, "examples", (120_000, 7_600))
    with pytest.raises(UsageError, match=r"expected the 120,000 examples of AG News in .*train.jsonl, got 4; .*texts"):
        AGNews().load(tmp_path, None)


def test_a_corpus_offline_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))

    def unreachable(repository, file, repo_type, local_files_only=False):
        raise OSError("no\nnetwork")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(UsageError) as raised:
        IMDB().load(tmp_path, False)
    for part in ("--no-download: expected IMDB in", str(tmp_path / "imdb"), "stanfordnlp/imdb", "plain_text/train-",
                 "train.parquet", "text, label"):
        assert part in str(raised.value)
    assert IMDB().locate(tmp_path, None).megabytes == 42
    with pytest.raises(UsageError, match=r"--download: expected to download IMDB \(42 MB\) .*got: no network; .*--no"):
        IMDB().load(tmp_path, True)


def test_a_downloaded_corpus_is_found_in_the_cache_of_the_hub(tmp_path, monkeypatch):
    corpus(tmp_path, monkeypatch, AGNews(), [0, 1, 2, 3])
    (tmp_path / "ag_news").rename(tmp_path / "cached")
    asked = []

    def cached(repository, file, repo_type, local_files_only=False):
        asked.append((repository, file, repo_type, local_files_only))
        return tmp_path / "cached" / f"{'train' if 'train' in file else 'test'}.parquet"

    monkeypatch.setattr("huggingface_hub.hf_hub_download", cached)
    source = AGNews().locate(tmp_path, False)
    assert not source.missing and "cache" in source.note and len(AGNews().load(tmp_path, False).train_labels) == 4
    assert {(repository, kind, only) for repository, _, kind, only in asked} == {("fancyzhx/ag_news", "dataset", True)}
    assert {file for _, file, *_ in asked} == set(AGNews.files)
