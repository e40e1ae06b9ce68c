"""The distillation terms: against their formulas in float64, in every layout, and where nothing is left to compare."""

from dataclasses import replace

import pytest
import torch

from msvit.backbones import MSViT
from msvit.hosts.distillation import class_distillation, token_distillation
from msvit.registry import MODELS

IMAGES, SIZE = 3, (40, 56)  # 3 x 4 regions, 5 x 7 cells: the last row and column of regions have fewer cells
MASK = torch.rand(IMAGES, 3, 4, generator=torch.Generator().manual_seed(1)) > 0.5


@MODELS.register_module(force=True)
class PrunedViTForTest(MSViT):
    """Drops tokens at the end, the same ones in every layout, and decides scales by a mask."""

    kept = 'some'

    def forward_tokens(self, images, fine_mask=None):
        tokens = super().forward_tokens(images, MASK)
        if self.kept == 'all':
            return tokens
        kept = self.policy(tokens.index.grid) if self.kept == 'some' else torch.zeros_like(tokens.index.active)
        return replace(tokens, index=tokens.index.weighted(kept.to(images.dtype)))

    @staticmethod
    def policy(grid):
        """(B, Nc + Nf) bool."""
        return torch.rand(IMAGES, grid.num_coarse + grid.num_fine, generator=torch.Generator().manual_seed(2)) > 0.4


@torch.no_grad()
def expected_terms(model, inputs, kind):
    """KL and token distance by loops, from the public maps of both backbones."""
    student, teacher = model.backbone, model.teacher
    tokens = MSViT.forward_tokens(student, inputs, MASK)
    logits = model.head((tokens.prefix()[:, 0],))
    p, q = teacher(inputs).softmax(-1), logits.softmax(-1)
    divergence = sum(float((p[i] * (p[i] / q[i]).log()).sum()) for i in range(IMAGES)) / IMAGES

    # every token with the cells that it stands for: (y, x) ranges
    features, targets = tokens.to_map(), teacher.backbone.forward_tokens(inputs).to_map()
    grid, distances = tokens.index.grid, []
    policy = student.policy(grid) if student.kept == 'some' else torch.ones(IMAGES, grid.num_coarse + grid.num_fine).bool()
    for i in range(IMAGES):
        for cell_y, cell_x in ((y, x) for y in range(5) for x in range(7)):
            y, x = cell_y // 2, cell_x // 2
            if MASK[i, y, x]:
                number = grid.num_coarse + cell_y * 7 + cell_x
                target = targets[i, :, cell_y, cell_x]
            elif cell_y % 2 or cell_x % 2:
                continue  # the region's token was counted at its first cell
            else:
                number = y * 4 + x
                target = targets[i, :, cell_y : cell_y + 2, cell_x : cell_x + 2].flatten(1).mean(1)
            if not policy[i, number]:
                continue
            feature = features[i, :, cell_y, cell_x]
            if kind == 'mse':
                distances.append(float(((feature - target) ** 2).mean()))
            else:
                p, q = target.softmax(0), feature.softmax(0)
                distances.append(float((p * (p / q).log()).sum()))
    return divergence, sum(distances) / len(distances)


@pytest.mark.parametrize('kind', ['mse', 'kl'])
@pytest.mark.parametrize('kept', ['all', 'some'])
def test_losses_are_the_formulas(distilled, batch, layout, kept, kind):
    options = dict(class_weight=0.7, token_weight=0.2, token_loss=kind)
    model = distilled(type='msvit.PrunedViTForTest', layout=layout, options=options).double()
    model.backbone.kept = kept
    inputs, samples = batch(IMAGES, SIZE)
    losses = model.loss(inputs.double(), samples)
    divergence, distance = expected_terms(model, inputs.double(), kind)
    assert divergence > 1e-3 and distance > 1e-3
    assert losses['loss_distill_class'].item() == pytest.approx(0.7 * divergence, rel=1e-9)
    assert losses['loss_distill_tokens'].item() == pytest.approx(0.2 * distance, rel=1e-9)
    with torch.no_grad():
        model.backbone.kept = 'all'
        logits = model.head((MSViT.forward_tokens(model.backbone, inputs.double(), MASK).prefix()[:, 0],))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2]))
    assert losses['loss'].item() == pytest.approx(expected.item(), rel=1e-9)


def test_layouts_train_alike(distilled, batch):
    found = []
    for layout in ('masked', 'trimmed', 'packed'):
        model = distilled(type='msvit.PrunedViTForTest', layout=layout).double()
        inputs, samples = batch(IMAGES, SIZE)
        sum(model.loss(inputs.double(), samples).values()).backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for other in found[1:]:
        for name, gradient in other.items():
            torch.testing.assert_close(
                gradient, found[0][name], atol=1e-10, rtol=1e-7, msg=lambda text, name=name: name + text
            )


@pytest.mark.parametrize('kind', ['mse', 'kl'])
def test_no_kept_token_costs_nothing_and_breaks_nothing(distilled, batch, layout, kind):
    model = distilled(type='msvit.PrunedViTForTest', layout=layout, options=dict(token_loss=kind))
    model.backbone.kept = 'none'
    loss = model.loss(*batch(IMAGES, SIZE))['loss_distill_tokens']
    assert loss.item() == 0
    loss.backward()
    assert all((parameter.grad == 0).all() for parameter in model.backbone.blocks.parameters())


@pytest.mark.parametrize('arguments', [dict(), dict(kept=torch.tensor([[True, False, True]]))])
@pytest.mark.parametrize('kind', ['mse', 'kl'])
def test_equal_features_cost_nothing_and_absent_ones_feel_nothing(arguments, kind):
    tokens = torch.randn(1, 3, 4, requires_grad=True)
    torch.testing.assert_close(token_distillation(tokens, tokens.detach(), kind=kind, **arguments), torch.tensor(0.0))
    (gradient,) = torch.autograd.grad(token_distillation(tokens, tokens.detach() * 2, kind=kind, **arguments), tokens)
    felt = arguments.get('kept', torch.ones(1, 3).bool())
    assert torch.equal(gradient.abs().sum(-1) > 0, felt)


@pytest.mark.parametrize('kind', ['mse', 'kl'])
def test_whatever_an_absent_token_is_it_spoils_nothing(kind):
    tokens = torch.zeros(1, 2, 4)
    tokens[0, 1] = float('inf')
    assert token_distillation(tokens, torch.ones(1, 2, 4), torch.tensor([[True, False]]), kind).isfinite()


def test_half_precision_is_summed_in_single():
    tokens = torch.full((1, 50, 4), 300.0, dtype=torch.float16)
    loss = token_distillation(tokens, torch.zeros_like(tokens))  # squares are beyond 65504
    assert loss.dtype == torch.float32 and loss.item() == 90000
    logits = torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16)
    assert class_distillation(logits, logits).dtype == torch.float32


def test_the_divergence_is_that_of_the_student_from_the_teacher():
    teacher, student = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    expected = 0.9 * torch.tensor(0.9 / 0.5).log() + 0.1 * torch.tensor(0.1 / 0.5).log()
    torch.testing.assert_close(class_distillation(student.log(), teacher.log()), expected)


def test_dynamicvits_last_policy_says_what_counts(distilled, batch, layout):
    """Sampled policies on a sampled mask, here by the tokens' places among the candidates."""
    gate = dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5)
    model = distilled(type='msvit.MSDyViT', prune_at=(0, 1), keep_rate=0.7, gate=gate, layout=layout).double()
    inputs, samples = batch(IMAGES, SIZE)
    inputs = inputs.double()
    torch.manual_seed(3)
    loss = model.loss(inputs, samples)['loss_distill_tokens'].item()
    model.backbone.pop_gate_losses()
    torch.manual_seed(3)
    with torch.no_grad():
        tokens = model.backbone.forward_tokens(inputs)
        targets = model.teacher.backbone.forward_tokens(inputs).tokens().reshape(IMAGES, 35, -1)
    weight, features, grid = tokens.index.candidate_weight(), tokens.index.spread(tokens.tokens()), tokens.index.grid
    regions, distances = grid.region_of_cell(), []
    for image, candidate in weight.nonzero().tolist():
        cells = regions == candidate if candidate < grid.num_coarse else [candidate - grid.num_coarse]
        target = targets[image, cells].mean(0)
        distances.append(((features[image, candidate] - target) ** 2).mean().item())
    assert 3 < len(distances) < tokens.counts.sum()  # some were dropped
    assert loss == pytest.approx(0.5 * sum(distances) / len(distances), rel=1e-9)


def test_layouts_of_dynamicvit_lose_alike(distilled, batch):
    found = []
    for layout in ('masked', 'trimmed', 'packed'):
        model = distilled(type='msvit.MSDyViT', prune_at=(1,), gate=dict(type='msvit.UniformGate'), layout=layout).double()
        inputs, samples = batch(IMAGES, SIZE)
        torch.manual_seed(3)
        found.append({name: loss.item() for name, loss in model.loss(inputs.double(), samples).items()})
    assert found[1] == pytest.approx(found[0], rel=1e-9)
    assert found[2] == pytest.approx(found[0], rel=1e-9)
