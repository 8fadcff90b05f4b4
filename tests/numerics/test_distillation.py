"""Distillation: losses against slow loops, the frozen teacher, its cache."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import Config

from mmselfsup.apis.train import train_model
from mmselfsup.core.checkpoint import backbone_state, save_checkpoint
from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.losses import cosine_distance, map_distance, similarity_distillation
from mmselfsup.models.utils.teacher import TeacherFeatures
from mmselfsup.utils.data_info import DataInfo, fit_to_data
from mmselfsup.utils.errors import ArgumentError, UserError
from tests.contract.tiny_models import RESNET, TINY, VIT


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def tiny(**teacher: Any) -> Any:
    torch.manual_seed(3)
    cfg = TINY["Distillation"].cfg
    model = build_algorithm({**cfg, "teacher": {**cfg["teacher"], **teacher}})
    model.init_weights()
    return model


# -- losses


def slow_cosine(p: list[float], t: list[float]) -> float:
    dot = sum(a * b for a, b in zip(p, t, strict=True))
    return dot / math.sqrt(sum(a * a for a in p)) / math.sqrt(sum(b * b for b in t))


def test_map_distance_is_the_sum_over_places_one_by_one() -> None:
    p, t = 2 * rows(2, 3, 2, 4), 2 * rows(2, 3, 2, 4, seed=1)
    places = [(n, y, x) for n in range(2) for y in range(2) for x in range(4)]
    cosine = sum(
        1 - slow_cosine(p[n, :, y, x].tolist(), t[n, :, y, x].tolist()) for n, y, x in places
    )
    smooth = 0.0
    for d in (p - t).flatten().abs().tolist():
        smooth += d * d / 2 if d < 1 else d - 0.5
    expected = 0.7 * cosine / len(places) + 0.3 * smooth / p.numel()
    assert float(map_distance(p, t, 0.7)) == pytest.approx(expected)
    assert float(cosine_distance(p, t)) == pytest.approx(cosine / len(places))
    assert float(map_distance(p, p, 0.7)) == pytest.approx(0, abs=1e-12)


def test_similarity_distillation_is_the_cross_entropy_of_the_paper() -> None:
    s, t, queue = rows(3, 4), rows(3, 4, seed=1), F.normalize(rows(4, 5, seed=2), dim=0)
    total = 0.0
    for i in range(3):
        unit = (t[i] / t[i].norm()).tolist()
        entries = [unit, *queue.T.tolist()]
        student = [math.exp(slow_cosine(s[i].tolist(), e) / 0.2) for e in entries]
        teacher = [math.exp(slow_cosine(t[i].tolist(), e) / 0.1) for e in entries]
        for p_s, p_t in zip(student, teacher, strict=True):
            total -= p_t / sum(teacher) * math.log(p_s / sum(student))
    assert float(similarity_distillation(s, t, queue, 0.2, 0.1)) == pytest.approx(total / 3)


def test_gradients_of_the_losses() -> None:
    s, t = rows(2, 3).requires_grad_(), rows(2, 3, seed=1)
    queue = F.normalize(rows(3, 4, seed=2), dim=0)
    assert torch.autograd.gradcheck(lambda x: similarity_distillation(x, t, queue, 0.5, 0.5), s)
    m = rows(2, 3, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: map_distance(x, rows(2, 3, 2, 2, seed=1)), m)


# -- heads


def test_maps_of_another_size_are_interpolated_to_the_teacher() -> None:
    cfg = {"type": "FeatureDistillationHead", "in_channels": 4, "out_channels": 3}
    head = build_head(cfg).double()
    student, teacher = rows(2, 4, 2, 2), TeacherFeatures(rows(2, 3), rows(2, 3, 5, 5, seed=1))
    losses = head([student], teacher)
    projected = head.map_projector(student.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    larger = F.interpolate(projected, (5, 5), mode="bilinear")
    assert losses["loss_map"] == map_distance(larger, teacher.map)
    vector = head.vector_projector(student.mean(dim=(2, 3)))
    assert losses["loss_vector"] == cosine_distance(vector, teacher.vector)


def test_tokens_of_a_transformer_have_a_class_token_and_places() -> None:
    cfg = {"type": "FeatureDistillationHead", "in_channels": 4, "out_channels": 3}
    head = build_head(cfg).double()
    tokens = rows(2, 1 + 9, 4)
    losses = head([tokens], TeacherFeatures(rows(2, 3), rows(2, 3, 3, 3)))
    projected = head.map_projector(tokens[:, 1:]).transpose(1, 2).unflatten(2, (3, 3))
    assert float(losses["loss_map"]) == pytest.approx(
        float(map_distance(projected, rows(2, 3, 3, 3)))
    )
    assert losses["loss_vector"] == cosine_distance(head.vector_projector(tokens[:, 0]), rows(2, 3))


def test_a_wrong_width_names_the_number() -> None:
    cfg = {
        "type": "SimilarityDistillationHead",
        "in_channels": 4,
        "out_channels": 3,
        "queue_len": 4,
    }
    with pytest.raises(ArgumentError, match=r"model\.head\.out_channels=5"):
        build_head(cfg)([torch.rand(2, 4)], TeacherFeatures(torch.rand(2, 5), None))


def test_the_queue_holds_the_embeddings_of_the_teacher() -> None:
    cfg = {
        "type": "SimilarityDistillationHead",
        "in_channels": 4,
        "out_channels": 3,
        "queue_len": 4,
    }
    head = build_head(cfg)
    before = head.queue.clone()
    teacher = TeacherFeatures(torch.rand(3, 3), None)
    head.eval()([torch.rand(3, 4)], teacher)
    assert torch.equal(head.queue, before)
    head.train()([torch.rand(3, 4)], teacher)
    assert torch.equal(head.queue[:, :3], F.normalize(teacher.vector, dim=1).T)
    assert torch.equal(head.queue[:, 3], before[:, 3])


@pytest.mark.parametrize("wrong", [{"cosine": 1.5}, {"map_weight": -1.0}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    cfg = {"type": "FeatureDistillationHead", "in_channels": 4, "out_channels": 3}
    with pytest.raises(ArgumentError, match="must be in"):
        build_head({**cfg, **wrong})


# -- the teacher


def test_the_teacher_stays_as_it_is_and_gets_no_gradient() -> None:
    model = tiny().train()
    before = {k: v.clone() for k, v in model.teacher.backbone.state_dict().items()}
    assert not any(m.training for m in model.teacher.modules())
    batch = TINY["Distillation"].batch(4, torch.Generator().manual_seed(0))
    model.train_step(batch, None)["loss"].backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert all(p.grad is not None for p in model.backbone.parameters())
    after = model.teacher.backbone.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_checkpoints_hold_the_digest_and_not_the_teacher(tmp_path: Path) -> None:
    model = tiny()
    names = [name for name in model.state_dict() if name.startswith("teacher.")]
    assert names == ["teacher.digest"]
    exported = backbone_state(model)
    assert exported is not None
    assert all(torch.equal(v, model.backbone.state_dict()[k]) for k, v in exported.items())
    other = tiny()
    other.load_state_dict(model.state_dict())  # strict: the teacher is not missing
    save_checkpoint(model, str(tmp_path / "run.pth"))
    assert torch.load(tmp_path / "run.pth")["state_dict"].keys() == model.state_dict().keys()


def test_another_teacher_is_refused(tmp_path: Path) -> None:
    model = tiny()
    torch.manual_seed(9)
    torch.save(build_algorithm(TINY["SimCLR"].cfg).backbone.state_dict(), tmp_path / "other.pth")
    other = tiny(checkpoint=str(tmp_path / "other.pth"))
    other.load_state_dict(model.state_dict())
    with pytest.raises(UserError, match="began with another teacher"):
        other(torch.rand(2, 3, 32, 32))


def test_an_incomplete_teacher_is_refused(tmp_path: Path) -> None:
    state = tiny().backbone.state_dict()
    torch.save({k: v for k, v in state.items() if "layer4.1" not in k}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"lacks \d+ weights .*layer4\.1"):
        tiny(checkpoint=str(tmp_path / "part.pth"))


def test_a_teacher_without_a_file_is_refused() -> None:
    with pytest.raises(UserError, match=r"model\.teacher\.checkpoint=FILE"):
        tiny(checkpoint=None)


@pytest.mark.parametrize(
    "teacher", [None, {}, {"backbone": RESNET, "chekpoint": "x.pth"}], ids=["none", "empty", "typo"]
)
def test_a_teacher_with_wrong_arguments(teacher: Any) -> None:
    with pytest.raises(ArgumentError, match="teacher"):
        build_algorithm({**TINY["Distillation"].cfg, "teacher": teacher})


def test_a_transformer_as_teacher_with_a_size_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = {**VIT, "output_cls_token": True}
    torch.save(
        build_algorithm({**TINY["MoCoV3"].cfg, "backbone": VIT}).backbone.state_dict(),
        tmp_path / "vit.pth",
    )
    model = tiny(backbone=backbone, checkpoint=str(tmp_path / "vit.pth"), size=32)
    losses = model([torch.rand(2, 3, 48, 48)])
    assert set(losses) == {"loss_vector", "loss_map", "loss_similarity"}


# -- the cache


def cached(folder: Path) -> Any:
    model = tiny(cache=str(folder))
    fit_to_data(model.modules(), DataInfo(num_images=6, batch_size=4))
    return model


def test_the_cache_gives_the_same_features_without_the_teacher(tmp_path: Path) -> None:
    img, idx = torch.rand(4, 3, 32, 32), torch.tensor([5, 0, 2, 1])
    expected = tiny().teacher(img)
    first = cached(tmp_path).teacher
    got = first(img, idx)
    assert torch.equal(got.vector, expected.vector)
    assert torch.equal(got.map, expected.map)
    again = cached(tmp_path).teacher
    again(torch.rand(1, 3, 32, 32), torch.tensor([4]))  # opens the files
    again.backbone = None  # not called any more
    kept = again(img.flip(0), idx.flip(0))
    assert torch.equal(kept.vector, expected.vector.flip(0))
    assert torch.equal(kept.map, expected.map.flip(0))


def test_the_cache_keeps_layers_and_precisions_apart(tmp_path: Path) -> None:
    """Teachers of the same weights, whose features have the same shape."""
    torch.manual_seed(0)
    file = tmp_path / "vit.pth"
    whole = {**VIT, "output_cls_token": True}
    torch.save(build_algorithm({**TINY["MoCoV3"].cfg, "backbone": VIT}).backbone.state_dict(), file)
    img, idx = torch.rand(4, 3, 32, 32), torch.arange(4)

    def features(layer: int, folder: str | None, dtype: torch.dtype = torch.float32) -> Any:
        backbone = {**whole, "out_indices": layer}
        model = tiny(backbone=backbone, checkpoint=str(file), cache=folder)
        fit_to_data(model.modules(), DataInfo(num_images=6, batch_size=4))
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32):
            return model.teacher(img, idx).vector.float()

    cache = str(tmp_path / "cache")
    for layer, dtype in ((-1, torch.bfloat16), (-1, torch.float32), (0, torch.float32)):
        expected = features(layer, None, dtype)
        assert torch.equal(features(layer, cache, dtype), expected)
        assert torch.equal(features(layer, cache, dtype), expected)  # from the file
    assert len(list((tmp_path / "cache").glob("*/rows.bin"))) == 3


def test_a_view_that_changes_is_refused(tmp_path: Path) -> None:
    teacher = cached(tmp_path).teacher
    img, idx = torch.rand(4, 3, 32, 32), torch.arange(4)
    teacher(img, idx)
    img[2, 1, 4, 4] += 1e-6
    with pytest.raises(UserError, match=r"view of image 2 .*same in each epoch"):
        teacher(img, idx)


def test_a_row_that_was_not_completed_is_computed_again(tmp_path: Path) -> None:
    img, idx = torch.rand(4, 3, 32, 32), torch.arange(4)
    expected = cached(tmp_path).teacher(img, idx)
    (file,) = tmp_path.glob("*/rows.bin")
    damaged = np.memmap(file, np.float32, "r+", shape=(6, expected.vector.shape[1] * 2))
    damaged[1, 3] = 7.0
    damaged.flush()
    got = cached(tmp_path).teacher(img, idx)
    assert torch.equal(got.vector, expected.vector)


def test_the_cache_needs_one_view_and_its_index(tmp_path: Path) -> None:
    model = cached(tmp_path)
    with pytest.raises(ArgumentError, match=r"num_views=\[1\]"):
        model([torch.rand(2, 3, 32, 32)] * 2, idx=torch.arange(2))
    with pytest.raises(ArgumentError, match="MultiViewDataset"):
        model([torch.rand(2, 3, 32, 32)])


@pytest.mark.parametrize("random", [False, True])
def test_a_random_pipeline_is_refused_before_the_first_iteration(
    random: bool, tmp_path: Path
) -> None:
    class Views(torch.utils.data.Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return 6

        def __getitem__(self, idx: int) -> dict[str, Any]:
            img = torch.full((3, 32, 32), float(idx))
            return {"img": [img + torch.rand(1) if random else img], "idx": idx}

    cfg = Config(
        dict(
            optimizer=dict(type="SGD", lr=0.05),
            log_level="ERROR",
            data=dict(samples_per_gpu=3, workers_per_gpu=0),
            lr_config=dict(policy="fixed"),
            runner=dict(type="EpochBasedRunner", max_epochs=2),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=1),
            work_dir=str(tmp_path / "run"),
            model=TINY["Distillation"].cfg,
        )
    )
    refused = pytest.raises(UserError, match="pipeline is random") if random else nullcontext()
    with refused:
        train_model(tiny(cache=str(tmp_path / "cache")), Views(), cfg)
    assert (tmp_path / "cache").exists() != random
