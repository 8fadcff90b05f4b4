"""Feature comparisons of a study: which images, what is in the files, what the report shows."""

import re
from pathlib import Path

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmselfsup.apis.features.compare_features import shared_lesions
from mmselfsup.config.inspect import comparison_config
from mmselfsup.datasets.data_sources.lists import Entry, read_list
from mmselfsup.evaluation.feature_comparison import (
    SIDE,
    draw_points,
    draw_queries,
    knn_scores_by,
    lines_of,
    write_thumb,
)
from mmselfsup.evaluation.feature_comparison_files import (
    Embedding,
    FeatureComparison,
    KnnScores,
    Neighbour,
    Query,
    read_comparison,
    write_comparison,
)
from mmselfsup.evaluation.features import LabelledFeatures
from mmselfsup.study.report.features_section import names_data, scatter
from mmselfsup.study.report.page import write_report
from mmselfsup.study.report.words import words_of, write_words
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import Words


def test_points_are_drawn_in_the_order_of_the_list() -> None:
    entries = [Entry(f"{i}.jpg", i % 3, i) for i in range(50)]
    drawn = draw_points(entries, 0, 20)
    assert drawn == sorted(set(drawn), key=lambda e: e.line)
    assert len(drawn) == 20
    assert drawn == draw_points(entries, 0, 20) != draw_points(entries, 1, 20)
    assert draw_points(entries, 0, 50) == draw_points(entries, 0, 99) == entries


def test_a_list_of_the_points_reads_as_they_were(tmp_path: Path) -> None:
    entries = [Entry("a b.jpg", 2, 1), Entry("c.jpg", -1, 2)]
    (tmp_path / "list.txt").write_text(lines_of(entries))
    assert read_list(str(tmp_path / "list.txt")) == entries


def test_queries_are_one_of_each_of_the_most_frequent_classes() -> None:
    labels = np.array([3] * 5 + [1] * 9 + [0] * 2 + [7] * 4)
    queries = draw_queries(labels, 0, 3)
    assert labels[queries].tolist() == [1, 3, 7]
    assert {tuple(draw_queries(labels, seed, 3)) for seed in range(9)} != {tuple(queries)}
    assert len(draw_queries(labels, 0, 6)) == 4


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        (["a", "", "b"], ["", "c"], 0),
        (["a", "a", "b"], ["b", "a", "a"], 2),
        (None, ["a"], None),
        (["a"], None, None),
    ],
)
def test_lesions_on_both_sides_are_counted(
    first: list[str] | None, second: list[str] | None, count: int | None
) -> None:
    assert shared_lesions(first, second) == count


def test_both_lists_go_through_the_test_pipeline() -> None:
    source = dict(type="ImageList", data_prefix="x", ann_file="y", patients="p.csv")
    source["split"] = dict(part="val", folds=5)  # of the list y
    test = dict(type="SingleViewDataset", data_source=source, pipeline=["test"])
    train = dict(type="RepeatDataset", times=2, dataset=dict(test, pipeline=["random"]))
    cfg = Config(
        dict(
            data=dict(samples_per_gpu=7, workers_per_gpu=0, drop_last=True, train=train, test=test)
        )
    )
    made = comparison_config(cfg, Path("images"), Path("a"), Path("b"), Path("m.csv")).data
    assert made.samples_per_gpu == 7
    assert "drop_last" not in made
    for part, name in (("train", "a"), ("val", "b")):
        assert made[part].pipeline == ["test"]
        assert made[part].data_source == dict(
            type="ImageList", data_prefix="images", ann_file=name, metadata="m.csv"
        )
    unknown = comparison_config(cfg, Path("images"), Path("a"), Path("b"), None).data
    assert "metadata" not in unknown.val.data_source


def test_knn_scores_of_class_and_source() -> None:
    features = np.repeat(np.eye(4, dtype=np.float32), 30, axis=0)  # four groups
    labels = np.repeat([0, 0, 1, 1], 30)
    data = LabelledFeatures(features, labels, features[::10], labels[::10])
    sources = ["HAM"] * 30 + ["BCN"] * 30 + ["HAM"] * 30 + ["BCN"] * 30
    assert knn_scores_by(data, sources, sources[::10]) == KnnScores(1.0, 1.0)
    by_source = knn_scores_by(data, sources, ["HAM"] * 9 + ["BCN"] * 3).by_source
    assert by_source == pytest.approx((6 / 9 + 3 / 3) / 2)
    assert knn_scores_by(data, None, None) == KnnScores(1.0, None)
    assert knn_scores_by(data, ["HAM"] * 120, ["HAM"] * 12).by_source is None


def test_every_point_is_drawn_in_its_colour_the_rarest_on_top() -> None:
    places = np.array([[-1, -1], [1, 1], [0, 0]], dtype=np.float32)
    svg = scatter(places, [1, 1, 2], 3, 'a "b" <c>')
    paths = re.findall(r'<path class="kind-(\d)" d="([^"]*)"/>', svg)
    assert paths == [("1", "M20 980h0M980 20h0"), ("2", "M500 500h0")]
    assert 'aria-label="a &quot;b&quot; &lt;c>"' in svg


def test_small_pictures_are_small_squares(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (150, 200, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    write_thumb(tmp_path / "a.png", tmp_path / "a.webp")
    assert Image.open(tmp_path / "a.webp").size == (SIDE, SIDE)
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"b\.png"):
        write_thumb(tmp_path / "b.png", tmp_path / "b.webp")
    assert not (tmp_path / "b.webp").exists()


def make_comparison(folder: Path, shared: int | None = 0, by_source: float | None = 0.6) -> None:
    """Write a look at six test images, one of them a query with two neighbours."""
    right, wrong = (Neighbour(f"{n}.jpg", n, "t.webp", 0.9) for n in (1, 0))
    query = Query("q.jpg", 1, "gone.webp", [wrong, wrong], [right, wrong])
    votes = {"before": KnnScores(0.25, by_source), "after": KnnScores(0.375, by_source)}
    places = np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)
    sources = np.array(["HAM", "BCN", "none"] * 2 if by_source is not None else ["HAM"] * 6)
    points = Embedding(
        np.array([f"{i}.jpg" for i in range(6)]), np.arange(6) % 2, sources, places, -places
    )
    look = FeatureComparison(["MEL", "<NV>"], 40, 6, 9, 0, 20, votes, shared, [query])
    write_comparison(folder, look, points)


def test_a_comparison_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_comparison(tmp_path) is None
    make_comparison(tmp_path)
    found = read_comparison(tmp_path)
    assert found is not None
    look, points = found
    assert look.queries[0].after[0] == Neighbour("1.jpg", 1, "t.webp", 0.9)
    assert look.votes["after"] == KnnScores(0.375, 0.6)
    assert points.sources.tolist() == ["HAM", "BCN", "none"] * 2
    np.testing.assert_array_equal(points.before, -points.after)


@pytest.mark.parametrize("name", ["points.npz", "looks.json"])
def test_a_damaged_comparison_is_refused(finished_study: Path, name: str) -> None:
    folder = finished_study / "looks" / "simclr"
    make_comparison(folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:-40])
    with pytest.raises(
        UserError, match=r"looks/simclr: can't read this .*comparison.*delete the folder"
    ):
        write_report(finished_study)


def test_the_report_shows_maps_and_neighbours(finished_study: Path) -> None:
    folder = finished_study / "looks" / "simclr"
    (folder / "thumbs").mkdir(parents=True)
    make_comparison(folder)
    Image.new("RGB", (SIDE, SIDE)).save(folder / "thumbs" / "t.webp")
    html = write_report(finished_study).read_text(encoding="utf-8")
    section = html[html.index('<section class="features">') :]
    assert section.count('<svg class="map"') == 4  # before and after, by class and by source
    assert section.count("data:image/webp;base64,") == 4
    assert section.count('<span class="gone">') == 1  # the picture of the query isn't there
    assert len(re.findall(r'<li class="right">', section)) == 1
    assert len(re.findall(r'<li class="wrong">', section)) == 3
    assert "6 of the 9 test images" in section
    assert "0.250" in section
    assert "0.375" in section
    assert "(checked)" in section
    assert "&lt;NV&gt;" in section
    assert "<NV>" not in html
    assert '<div class="neighbours">' in section  # short names fit below small pictures
    assert not re.search(r'(src|href)="(?!data:|#)', section)


@pytest.mark.parametrize(
    ("shared", "words"), [(3, "3 lesions have images among both"), (None, "Lesions are not known")]
)
def test_the_report_tells_lesions_on_both_sides(
    finished_study: Path, shared: int | None, words: str
) -> None:
    make_comparison(finished_study / "looks" / "simclr", shared, by_source=None)
    html = write_report(finished_study).read_text(encoding="utf-8")
    assert words in html
    assert "(checked)" not in html
    assert html.count('<svg class="map"') == 2  # one source: nothing to colour by


def test_images_that_form_no_groups_are_called_images(finished_study: Path) -> None:
    make_comparison(finished_study / "looks" / "simclr", 0, by_source=None)
    write_words(finished_study, Words("Photos", "image", "images"))
    with words_of(finished_study):
        html = write_report(finished_study).read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]*>", "", html).split())
    assert "None of these test images is among the training images (checked)." in text
    assert re.search(r"on \d+ images that no training has seen", text)
    assert "images of images" not in text


def test_long_class_names_get_room_on_a_telephone(finished_study: Path) -> None:
    folder = finished_study / "looks" / "simclr"
    make_comparison(folder)
    path = folder / "looks.json"
    path.write_text(path.read_text().replace('"MEL"', '"Psoriasis"'))
    html = write_report(finished_study).read_text(encoding="utf-8")
    assert '<div class="neighbours long">' in html


@pytest.mark.parametrize(
    ("source", "name", "same"),
    [
        ("isic-", "ISIC-2020", True),
        ("ham", "HAM10000", True),
        ("clinic-b", "Clinic B", True),
        ("HAM", "ISIC-2019", False),
    ],
)
def test_a_source_that_is_the_data_set_is_not_told(
    tmp_path: Path, source: str, name: str, same: bool
) -> None:
    write_words(tmp_path, Words(name, "patient", "patients"))
    with words_of(tmp_path):
        assert names_data(source) is same


def test_without_a_comparison_the_report_has_none(finished_study: Path) -> None:
    html = write_report(finished_study).read_text(encoding="utf-8")
    assert 'class="features"' not in html
    assert "Reliability" not in html


def test_reliability_is_drawn_from_the_scores(finished_study: Path) -> None:
    for arm, sure in (("scratch", 9.0), ("simclr", 0.0)):
        scores = np.zeros((40, 8))
        scores[:, 0] = sure  # always the first class: right in 5 of 40
        folder = finished_study / "finetune" / arm / "test"
        folder.mkdir()
        np.savez(folder / "scores.npz", scores=scores, labels=np.arange(40) % 8)
    html = write_report(finished_study).read_text(encoding="utf-8")
    assert "calibration error: from scratch 0.874, SimCLR 0.000." in html
    assert "On the dotted line accuracy equals confidence" in html
