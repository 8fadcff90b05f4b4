"""Whole steps of MoCo, DenseCL, BYOL and SimSiam against their papers, written plainly."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY


def tiny(name, **changes):
    """A model in double precision whose two encoders differ, and a batch of three images."""
    torch.manual_seed(0)
    model = build_algorithm({**TINY[name].cfg, **changes}).double().train()
    model.init_weights()
    for _, target in model.momentum_pairs():
        for p in target.parameters():
            p.data += 0.1 * torch.randn_like(p)
    return model, [torch.rand(3, 3, 32, 32, dtype=torch.float64) for _ in range(2)]


def nce(query, key, negatives, temperature=0.5):
    """-log of the share of the key, for one query."""
    terms = [math.exp(float(query @ v) / temperature) for v in (key, *negatives)]
    return -math.log(terms[0] / sum(terms))


def moved(model, momentum):
    """A copy of the key encoder after one update, weight by weight."""
    encoder = copy.deepcopy(model.encoder_k)
    for p, q in zip(encoder.parameters(), model.encoder_q.parameters(), strict=True):
        p.data = momentum * p.data + (1 - momentum) * q.data
    return encoder


def test_moco_is_algorithm_1():
    model, (view_q, view_k) = tiny("MoCo", momentum=0.7)
    queue = model.queue.clone()
    encoder_k = moved(model, 0.7)
    with torch.no_grad():
        q = F.normalize(copy.deepcopy(model.encoder_q)(view_q)[0], dim=1)
        k = F.normalize(encoder_k(view_k)[0], dim=1)
    expected = sum(nce(q[i], k[i], queue.T) for i in range(3)) / 3
    assert model([view_q, view_k])["loss"].item() == pytest.approx(expected, rel=1e-9)
    assert torch.allclose(model.queue[:, :3], k.T)
    assert torch.equal(model.queue[:, 3:], queue[:, 3:])
    assert model.queue_ptr.tolist() == [3]
    for key, value in encoder_k.state_dict().items():
        assert torch.allclose(model.encoder_k.state_dict()[key].double(), value.double()), key


@pytest.mark.parametrize("num_grid", [None, 2])
def test_densecl_is_equations_1_to_4(num_grid):
    neck = {**TINY["DenseCL"].cfg["neck"], "num_grid": num_grid}
    model, _ = tiny("DenseCL", momentum=0.7, loss_lambda=0.3, neck=neck)
    views = [torch.rand(2, 3, 96, 96, dtype=torch.float64) for _ in range(2)]  # maps of 3 x 3
    queues = model.queue.T.clone(), model.queue2.T.clone()
    encoders = copy.deepcopy(model.encoder_q), moved(model, 0.7)
    maps, parts = [], []
    with torch.no_grad():
        for encoder, view in zip(encoders, views, strict=True):
            features = encoder[0](view)
            parts.append(encoder[1](features))
            pooled = F.adaptive_avg_pool2d(features[0], num_grid or 3)
            maps.append(F.normalize(pooled.flatten(2), dim=1))
    (q, dense_q, _), (k, dense_k, mean_k) = ([F.normalize(z, dim=1) for z in p] for p in parts)
    single = sum(nce(q[i], k[i], queues[0]) for i in range(2)) / 2
    dense, places = 0.0, maps[0].shape[2]
    for i in range(2):
        for place in range(places):
            match = int((maps[0][i, :, place] @ maps[1][i]).argmax())
            dense += nce(dense_q[i, :, place], dense_k[i, :, match], queues[1]) / (2 * places)
    losses = model(views)
    assert losses["loss_single"].item() == pytest.approx(0.7 * single, rel=1e-9)
    assert losses["loss_dense"].item() == pytest.approx(0.3 * dense, rel=1e-9)
    assert torch.allclose(model.queue[:, :2], k.T)
    assert torch.allclose(model.queue2[:, :2], mean_k.T)
    assert model.queue_ptr.tolist() == model.queue2_ptr.tolist() == [2]


def predictions(model, encoder, views):
    with torch.no_grad():
        return [copy.deepcopy(model.head.predictor)([encoder(v)[0]])[0] for v in views]


def test_byol_is_equation_2_for_both_orders():
    model, views = tiny("BYOL")
    p = predictions(model, copy.deepcopy(model.online_net), views)
    with torch.no_grad():
        z = [copy.deepcopy(model.target_net)(v)[0] for v in views]
    distances = [
        (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(dim=1).mean()
        for a, b in zip(p, z[::-1], strict=True)
    ]
    loss = model(views)["loss"]
    assert loss.item() == pytest.approx(sum(distances).item() - 4, rel=1e-9)
    loss.backward()
    assert all(p.grad is None for p in model.target_net.parameters())


def test_simsiam_is_equation_4():
    model, views = tiny("SimSiam")
    encoder = copy.deepcopy(model.encoder)
    with torch.no_grad():
        z = [encoder(v)[0] for v in views]
    p = predictions(model, copy.deepcopy(model.encoder), views)
    cosines = [F.cosine_similarity(a, b).mean().item() for a, b in zip(p, z[::-1], strict=True)]
    assert model(views)["loss"].item() == pytest.approx(-sum(cosines) / 2, rel=1e-9)


def test_simsiam_stops_the_gradient_of_the_target():
    """The gradient is that with the projections of the other view held constant."""
    model, views = tiny("SimSiam")
    model(views)["loss"].backward()
    got = model.encoder[0].conv1.weight.grad.clone()
    model.zero_grad()
    z1, z2 = (model.encoder(v)[0] for v in views)
    constant = [z.detach().clone() for z in (z1, z2)]
    halves = model.head(z1, constant[1])["loss"] + model.head(z2, constant[0])["loss"]
    (halves / 2).backward()
    assert torch.allclose(got, model.encoder[0].conv1.weight.grad)


def test_mocov3_is_algorithm_1():
    model, (x_1, x_2) = tiny("MoCoV3")
    loss = model.forward_train([x_1, x_2])["loss"].item()

    def ctr(query, keys, temperature=0.5):
        """The mean over the queries, one after the other; both are unit vectors."""
        each = [
            nce(q, k, [n for j, n in enumerate(keys) if j != i], temperature)
            for i, (q, k) in enumerate(zip(query, keys, strict=True))
        ]
        return 2 * temperature * sum(each) / len(each)

    def predicted(x):
        return F.normalize(model.head.predictor(model.base_encoder(x))[0], dim=1)

    with torch.no_grad():
        keys = [F.normalize(model.momentum_encoder(x)[0], dim=1) for x in (x_1, x_2)]
        expected = ctr(predicted(x_1), keys[1]) + ctr(predicted(x_2), keys[0])
    assert loss == pytest.approx(expected, rel=1e-6)


def test_mocov3_trains_queries_only():
    model, views = tiny("MoCoV3")
    model.forward_train(views)["loss"].backward()
    grads = {name: p.grad for name, p in model.base_encoder[0].named_parameters()}
    # The patch embedding stays random (stop_grad_conv1), positions are fixed.
    frozen = {"pos_embed", "patch_embed.projection.weight", "patch_embed.projection.bias"}
    assert {name for name, grad in grads.items() if grad is None} == frozen
    assert all(p.grad is None for p in model.momentum_encoder.parameters())
