"""Which weights of a file go where, and what is said about it."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.utils.errors import UserError

Make = Callable[..., nn.Module]


def write(path: Path, state: object) -> str:
    torch.save(state, path)
    return str(path)


def with_prefix(module: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in module.state_dict().items()}


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


PREFIXES = [
    "",
    "backbone.",
    "module.",
    "module.backbone.",
    "encoder_q.0.",
    "module.encoder_q.",
    "online_net.0.",
    "encoder.0.",
    "base_encoder.0.",
    "student.backbone.",
    "something.else.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_backbone_under_any_prefix(
    prefix: str, tmp_path: Path, make_backbone: Make, make_classifier: Make
) -> None:
    source, model = make_backbone(), make_classifier()
    state = {**with_prefix(source, prefix), "fc.weight": torch.zeros(7, 9)}
    report = load_weights(model, write(tmp_path / "a.pth", dict(state_dict=state)))
    assert_same(model.backbone, source)
    assert report.complete
    assert report.backbone_matched == report.backbone_total == len(source.state_dict())
    assert report.removed_prefix == prefix.removesuffix("backbone.")
    assert report.missing == ("head.fc_cls.weight", "head.fc_cls.bias")
    assert report.unexpected == ("fc.weight",)


def test_whole_checkpoint_with_heads(tmp_path: Path, make_classifier: Make) -> None:
    source, model = make_classifier(), make_classifier()
    file = write(tmp_path / "a.pth", dict(state_dict=with_prefix(source, "module.")))
    report = load_weights(model, file)
    assert_same(model, source)
    assert report.matched == tuple(model.state_dict())
    assert report.missing == report.unexpected == report.mismatched == ()
    assert report.removed_prefix == "module."


def test_other_number_of_classes_is_reported_and_left_alone(
    tmp_path: Path, make_classifier: Make
) -> None:
    source, model = make_classifier(num_classes=5), make_classifier(num_classes=3)
    head = model.head.fc_cls.weight.clone()
    report = load_weights(model, write(tmp_path / "a.pth", source.state_dict()))
    assert_same(model.backbone, source.backbone)
    assert torch.equal(model.head.fc_cls.weight, head)
    assert [m.name for m in report.mismatched] == ["head.fc_cls.weight", "head.fc_cls.bias"]
    assert "head.fc_cls.weight [5, 4], the model wants [3, 4]" in str(report)
    assert report.complete
    assert report.missing == ()


def test_trained_network_is_taken_rather_than_its_copy(
    tmp_path: Path, make_byol: Make, make_classifier: Make
) -> None:
    source, model = make_byol(), make_classifier()
    state = {k: v for k, v in source.state_dict().items() if not k.startswith("backbone.")}
    report = load_weights(model, write(tmp_path / "a.pth", dict(state_dict=state)))
    assert_same(model.backbone, source.online_net[0])
    assert report.removed_prefix == "online_net.0."
    assert any(name.startswith("target_net.") for name in report.unexpected)


def test_weights_under_a_second_name_are_not_missing(
    tmp_path: Path, make_byol: Make, make_backbone: Make
) -> None:
    source, model = make_backbone(), make_byol()
    report = load_weights(model, write(tmp_path / "a.pth", source.state_dict()))
    assert_same(model.online_net[0], source)
    assert "online_net.0.conv1.weight" in report.matched
    assert "target_net.0.conv1.weight" in report.missing


def test_a_model_with_a_student_that_has_a_backbone(tmp_path: Path, make_backbone: Make) -> None:
    """``student.backbone`` is ``backbone`` too; the teacher must be filled as well."""

    def make() -> nn.Module:
        model = nn.Module()
        model.student = nn.ModuleDict({"backbone": make_backbone()})
        model.teacher = nn.ModuleDict({"backbone": make_backbone()})
        model.backbone = model.student["backbone"]
        return model

    source, model = make(), make()
    report = load_weights(model, write(tmp_path / "a.pth", dict(state_dict=source.state_dict())))
    assert_same(model, source)
    assert (report.missing, report.unexpected, report.removed_prefix) == ((), (), "")


def test_student_and_teacher_side_by_side(
    tmp_path: Path, make_backbone: Make, make_classifier: Make
) -> None:
    student, teacher, model = make_backbone(), make_backbone(), make_classifier()
    state = dict(teacher=teacher.state_dict(), student=with_prefix(student, "module."), epoch=3)
    load_weights(model, write(tmp_path / "a.pth", state))
    assert_same(model.backbone, student)


def test_bare_backbone_as_model(tmp_path: Path, make_backbone: Make, make_classifier: Make) -> None:
    source, model = make_classifier(), make_backbone()
    report = load_weights(model, write(tmp_path / "a.pth", source.state_dict()))
    assert_same(model, source.backbone)
    assert report.removed_prefix == "backbone."


def test_two_equally_good_networks_are_an_error(
    tmp_path: Path, make_backbone: Make, make_classifier: Make
) -> None:
    state = {**with_prefix(make_backbone(), "left."), **with_prefix(make_backbone(), "right.")}
    with pytest.raises(UserError, match=r"may be 'left\.' or 'right\.'"):
        load_weights(make_classifier(), write(tmp_path / "a.pth", state))


def test_the_same_network_twice_is_no_error(
    tmp_path: Path, make_backbone: Make, make_classifier: Make
) -> None:
    source, model = make_backbone(), make_classifier()
    state = {**with_prefix(source, "left."), **with_prefix(source, "right.")}
    load_weights(model, write(tmp_path / "a.pth", state))
    assert_same(model.backbone, source)


def test_nothing_fits_names_both_sides(tmp_path: Path, make_classifier: Make) -> None:
    state = {"visual.stem.kernel": torch.zeros(4, 3), "bn1.weight": torch.zeros(4)}
    with pytest.raises(UserError) as error:
        load_weights(make_classifier(), write(tmp_path / "a.pth", state))
    assert "'visual.stem'" in str(error.value)
    assert "backbone.conv1.weight" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_weights_at_all(tmp_path: Path, make_classifier: Make) -> None:
    with pytest.raises(UserError, match="holds no weights; its keys are meta, epoch"):
        load_weights(make_classifier(), write(tmp_path / "a.pth", dict(meta={}, epoch=1)))


def test_partial_backbone_is_a_warning(
    tmp_path: Path,
    make_backbone: Make,
    make_classifier: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = with_prefix(make_backbone(), "")
    state["conv1.weight"] = torch.zeros(4, 2, 7, 7)
    logger = logging.getLogger("test_partial")
    with caplog.at_level(logging.INFO, logger="test_partial"):
        report = load_weights(make_classifier(), write(tmp_path / "a.pth", state), logger=logger)
    assert not report.complete
    assert caplog.records[0].levelno == logging.WARNING
    assert "backbone.conv1.weight [4, 2, 7, 7]" in caplog.text


def test_strict(tmp_path: Path, make_backbone: Make, make_classifier: Make) -> None:
    file = write(tmp_path / "a.pth", make_backbone().state_dict())
    with pytest.raises(UserError, match="strict loading"):
        load_weights(make_classifier(), file, strict=True)
    load_weights(make_backbone(), file, strict=True)


def test_long_lists_are_summed_up(tmp_path: Path, make_byol: Make, make_classifier: Make) -> None:
    report = load_weights(make_classifier(), write(tmp_path / "a.pth", make_byol().state_dict()))
    assert f"unexpected ({len(report.unexpected)})" in str(report)
    assert "online_net.* " in str(report)
    assert len(str(report).splitlines()) <= 4


def test_wrapped_model(tmp_path: Path, make_classifier: Make) -> None:
    source, model = make_classifier(), make_classifier()
    load_weights(nn.DataParallel(model), write(tmp_path / "a.pth", source.state_dict()))
    assert_same(model, source)


def test_torchvision_resnet_file_fits_mmcls_resnet(tmp_path: Path) -> None:
    from mmcls.models import ResNet
    from torchvision.models import resnet18

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = ResNet(18)

    source, model = resnet18(), Model()
    report = load_weights(model, write(tmp_path / "resnet18.pth", source.state_dict()))
    assert report.complete
    assert report.unexpected == ("fc.weight", "fc.bias")
    assert torch.equal(model.backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    shortcut = model.backbone.layer2[0].downsample[1]
    assert torch.equal(shortcut.bias, source.layer2[0].downsample[1].bias)


def test_a_deeper_network_is_refused(
    tmp_path: Path, make_backbone: Make, make_classifier: Make
) -> None:
    state = dict(make_backbone().state_dict())
    state["layer1.1.conv1.weight"] = torch.zeros(4, 4, 3, 3)  # the model ends with layer1.0
    file = write(tmp_path / "a.pth", {f"module.{name}": weight for name, weight in state.items()})
    model = make_classifier()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UserError, match=r"deeper network, .* no place for backbone\.layer1\.1;"):
        load_weights(model, file)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    report = load_weights(model, file, partial=True)
    assert report.complete
    assert report.deeper == ("backbone.layer1.1",)


def test_less_than_half_of_the_kernels_is_another_network(
    tmp_path: Path, make_classifier: Make
) -> None:
    model = make_classifier()
    model.backbone.layer2 = torch.nn.Conv2d(4, 4, 3)
    state = {"conv1.weight": torch.ones(4, 3, 7, 7), "blocks.attn.weight": torch.ones(4, 4)}
    file = write(tmp_path / "a.pth", state)
    with pytest.raises(UserError, match=r"another network: it fills 1 of 3 kernels .* --partial"):
        load_weights(model, file)
    report = load_weights(model, file, partial=True)
    assert report.matched == ("backbone.conv1.weight",)


def test_weights_at_any_depth(tmp_path: Path, make_backbone: Make, make_classifier: Make) -> None:
    trunk = with_prefix(make_backbone(), "_feature_blocks.")
    state = {"phase_idx": 1, "classy_state_dict": {"base_model": {"model": {"trunk": trunk}}}}
    report = load_weights(make_classifier(), write(tmp_path / "vissl.pth", state))
    assert report.complete
    assert report.removed_prefix.endswith("model.trunk._feature_blocks.")


def test_partial_weights_under_a_prefix_of_others(tmp_path: Path, make_classifier: Make) -> None:
    model = make_classifier()
    model.backbone.layer2 = torch.nn.Conv2d(4, 4, 3)
    path = write(tmp_path / "a.pth", {"module.encoder_q.conv1.weight": torch.ones(4, 3, 7, 7)})
    with pytest.raises(
        UserError, match=r"under 'module\.encoder_q\.' it fills 1 of 3 kernels .* --partial"
    ):
        load_weights(model, path)
    assert load_weights(model, path, partial=True).matched == ("backbone.conv1.weight",)
