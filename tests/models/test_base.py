"""How an algorithm is called, and how its losses become one."""

import pytest
import torch

from mmselfsup.core.checkpoint import backbone_state
from mmselfsup.evaluation.collapse import find_projector
from mmselfsup.evaluation.features import weights_digest
from mmselfsup.models.algorithms import BaseModel
from mmselfsup.models.algorithms.base import parse_losses, require
from mmselfsup.utils.errors import ArgumentError


class Plain(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def extract_feat(self, img):
        return (self.layer(img),)

    def forward_train(self, img, **kwargs):
        self.seen = kwargs
        return {"loss": self.layer(img).square(), "acc": torch.tensor([50.0])}


def test_train_step_gives_a_loss_to_minimise_and_tensors_to_log():
    model = Plain()
    out = model.train_step({"img": torch.rand(4, 3), "idx": torch.arange(4)})
    assert out["num_samples"] == 4
    assert list(out["log_vars"]) == ["loss", "acc"]
    assert all(isinstance(v, torch.Tensor) and v.ndim == 0 for v in out["log_vars"].values())
    assert not any(v.requires_grad for v in out["log_vars"].values())
    assert set(model.seen) == {"idx"}
    out["loss"].backward()
    assert model.layer.weight.grad is not None


def test_val_step_is_the_same_pass():
    model = Plain()
    data = {"img": torch.rand(4, 3)}
    assert torch.equal(model.val_step(data)["loss"], model.train_step(data)["loss"])


def test_parse_losses_adds_what_is_called_loss():
    loss, log_vars = parse_losses(
        {
            "loss_a": torch.tensor([1.0, 3.0]),
            "loss_b": [torch.tensor(1.0), torch.tensor(4.0)],
            "acc": torch.tensor(9.0),
        }
    )
    assert loss.item() == 7.0
    assert {k: v.item() for k, v in log_vars.items()} == {
        "loss_a": 2.0,
        "loss_b": 5.0,
        "acc": 9.0,
        "loss": 7.0,
    }


def test_parse_losses_names_what_is_wrong():
    with pytest.raises(TypeError, match=r"'loss'.*3"):
        parse_losses({"loss": 3})
    with pytest.raises(ValueError, match="acc"):
        parse_losses({"acc": torch.tensor(1.0)})


def test_modes():
    model = Plain()
    assert model(torch.rand(4, 3), mode="extract")[0].shape == (4, 2)
    with pytest.raises(ValueError, match="'train', 'test' or 'extract', got 'foo'"):
        model(torch.rand(4, 3), mode="foo")
    with pytest.raises(NotImplementedError, match="Plain"):
        model(torch.rand(4, 3), mode="test")


@pytest.mark.usefixtures("bfloat16")
def test_half_precision_where_mmcv_asks_for_it():
    model = Plain()
    assert model(torch.rand(4, 3), mode="extract")[0].dtype == torch.float32
    model.fp16_enabled = True
    assert model([torch.rand(4, 3)][0], mode="extract")[0].dtype == torch.bfloat16


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("switch", ["fp16_enabled", "amp_dtype"])
def test_views_that_are_images_with_masks_under_half_precision(kind, switch):
    """As iBOT, DINOv2 and I-JEPA have them: ``img[0]`` is no tensor."""

    class Pairs(Plain):
        def forward_train(self, img, **kwargs):
            out = [self.layer(image) * mask[:, :1] for image, mask in img]
            self.dtypes = {part.dtype for part in out}
            return {"loss": [part.float().square() for part in out]}

    model = Pairs()
    setattr(model, switch, True if switch == "fp16_enabled" else torch.bfloat16)
    img = [kind((torch.rand(4, 3), torch.ones(4, 2, dtype=torch.bool))) for _ in range(2)]
    out = model.train_step({"img": img, "idx": torch.arange(4)})
    assert out["num_samples"] == 4
    assert model.dtypes == {torch.bfloat16}


def test_with_neck_and_head():
    model = Plain()
    assert not model.with_neck
    model.neck = torch.nn.Identity()
    assert model.with_neck
    assert not model.with_head


def test_features_are_those_of_the_backbone():
    class Bare(BaseModel):
        def forward_train(self, img, **kwargs):
            return {}

    model = Bare()
    model.backbone = torch.nn.Sequential(torch.nn.Linear(3, 2))
    img = torch.rand(4, 3)
    assert torch.equal(model.extract_feat(img), model.backbone(img))
    assert torch.equal(model(img, mode="extract"), model.backbone(img))


def test_a_missing_part_is_named():
    neck, head = {"type": "LinearNeck"}, {}
    assert require(object(), neck=neck, head=head) == [neck, head]
    with pytest.raises(
        ValueError, match=r"^object needs a neck and a head, got neck=None, head={}$"
    ):
        require(object(), neck=None, head=head)


class Teacher(BaseModel):
    """A student and a teacher, as DINO has them: sequences, or a pair for each part."""

    evaluates = "target"

    def __init__(self, joined):
        super().__init__()
        self.student = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
        self.teacher = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
        self.backbone, self.neck = self.student
        self.joined = joined

    def momentum_pairs(self):
        whole = [(self.student, self.teacher)]
        return whole if self.joined else list(zip(self.student, self.teacher, strict=True))

    def forward_train(self, img, **kwargs):
        return {"loss": self.neck(self.extract_feat(img)).square()}


@pytest.mark.parametrize("joined", [True, False])
def test_a_model_names_what_is_evaluated(joined):
    model, img = Teacher(joined), torch.rand(4, 3)
    assert model.evaluated() is model.teacher[0]
    assert model.evaluated("neck") is model.teacher[1]
    assert model.evaluated("head") is None
    assert torch.equal(model(img, mode="extract"), model.teacher[0](img))
    model(img)["loss"].sum().backward()
    assert model.student[0].weight.grad is not None, "the student is trained"
    assert model.teacher[0].weight.grad is None
    assert find_projector(model) is model.teacher[1]
    written = backbone_state(model)
    assert torch.equal(written["weight"], model.teacher[0].weight)
    first = weights_digest(model)
    with torch.no_grad():
        model.teacher[0].weight.add_(1)
    assert weights_digest(model) != first, "cached features are those of the teacher"
    model.evaluates = "online"
    assert model.evaluated() is model.student[0]
    assert find_projector(model) is model.student[1]
    assert torch.equal(backbone_state(model)["weight"], model.student[0].weight)


def test_a_target_that_is_missing_is_said():
    model = Teacher(True)
    model.momentum_pairs = list
    assert model.evaluated("neck") is None
    with pytest.raises(ArgumentError, match=r"Teacher\.evaluates is 'target', and no pair"):
        model.evaluated()
