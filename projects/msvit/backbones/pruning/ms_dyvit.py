"""MSDyViT: learned token pruning, on mixed-scale tokens."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal

import torch
from timm.layers import trunc_normal_
from torch import Tensor, nn

from ...checks import check_choice, check_not_negative, check_pretrained
from ...gates.sampling import sample_relaxed_bernoulli
from ...linear import adopt_linears
from ...tokens import MixedTokens, TokenGrid, TokenIndex
from ..macs import Macs, attention_macs, linear_macs
from .base import Count, PruningDeiT, best_tokens


class MSDyViT(PruningDeiT):
    """`DynamicViT <https://arxiv.org/abs/2106.02034>`_ on mixed-scale tokens (section E.2).

    Before each pruning block a small network decides which tokens go on. The mixed-scale mask is the initial pruning policy.
    With ``gate=None`` this is DynamicViT.

    In training all tokens stay in memory: sampled decisions, with a straight-through gradient, weight the attention keys; the
    index of the encoded tokens holds the last policy as its ``key_weight``. `pop_gate_losses` gives ``loss_keep_ratio``, which
    holds the kept share to ``keep_rate``, and ``kept_tokens`` for the log. At test the best-scored tokens of each image go on,
    and the others leave.

    Args:
        arch: a timm DeiT or ViT with a class token, or a dict as for `MSViT`.
        keep_rate: r for shares r, r², r³, ... of the image's initial tokens that go on, or these shares themselves, none
            larger than the one before; each in (0, 1].
        prune_at: the pruning blocks, counted from 0, in ascending order.
        ratio_weight: of ``loss_keep_ratio``.
        ratio_of: hold the share of every ``'image'``, or that of the ``'batch'``, to ``keep_rate``.
        out_type: ``'cls_token'`` or ``'tokens'``; pruned tokens cover no map.
        pretrained: see `MSViT`; checkpoints of DynamicViT too, others leave the predictors as they are.
        **kwargs: the other arguments of `MSViT`; ``out_indices`` stays the last block.

    Raises:
        ValueError: an argument is out of its range, or the ViT has no class token.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = 'deit_small_patch16_224',
        keep_rate: float | Sequence[float] = 0.7,
        prune_at: Sequence[int] = (3, 6, 9),
        ratio_weight: float = 2.0,
        ratio_of: Literal['image', 'batch'] = 'image',
        pretrained: bool | str | PathLike | None = None,
        **kwargs: Any,
    ):
        super().__init__(arch, keep_rate=keep_rate, prune_at=prune_at, **kwargs)
        check_not_negative('ratio_weight', ratio_weight)
        check_choice('ratio_of', ratio_of, ('image', 'batch'))
        check_pretrained(pretrained)
        self.ratio_weight, self.ratio_of = ratio_weight, ratio_of
        self.score_predictor = nn.ModuleList(ScorePredictor(self.embed_dim) for _ in self.prune_at)
        adopt_linears(self.score_predictor)
        if pretrained:
            self.load_pretrained(pretrained)

    def keep_rates(self) -> tuple[float, ...]:
        rates = super().keep_rates()
        if not isinstance(self.keep_rate, Sequence):
            return tuple(rate ** (stage + 1) for stage, rate in enumerate(rates))
        if list(rates) != sorted(rates, reverse=True):
            raise ValueError(f'keep_rate gives shares of the initial tokens, which cannot grow again: got {self.keep_rate}')
        return rates

    def kept_tokens(self, stage: int, start: Count, now: Count) -> Count:
        kept = start * self.keep_rates()[stage] // 1
        return kept.clamp(min=1) if isinstance(kept, Tensor) else max(kept, 1)

    def macs(self, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
        """As `GatedBackbone.macs`, at test; score predictors included."""
        now = counts.double()
        embedding, blocks = now * self.patch_embed.proj.weight.numel(), torch.zeros_like(now)
        for block, stage in zip(self.blocks, self._dropping_stages(), strict=True):
            if stage is not None:
                blocks += now * linear_macs(self.score_predictor[stage])
                blocks += (grid.num_coarse + grid.num_fine) * (self.embed_dim // 2)
                now = self.kept_tokens(stage, counts.double(), now)
            sequence = now + self.num_prefix_tokens
            blocks += attention_macs(block.attn, sequence) + sequence * linear_macs(block.mlp)
        return Macs(self._gate_macs(grid, counts), embedding, blocks)

    def _encode(self, tokens: MixedTokens, out_indices: Sequence[int]) -> tuple[MixedTokens, ...]:
        start, policies = tokens.index, []
        for i, stage in enumerate(self._dropping_stages()):
            if self.training and i in self.prune_at:
                predictor = self.score_predictor[self.prune_at.index(i)]
                policies.append(_sample(predictor(tokens), *policies[-1:]))
                # The public code lets dropped tokens attend to themselves and adds 1e-6 to the masked softmax. Not needed:
                # what a dropped token becomes weighs nothing as a key, in the predictors' means and in later policies, so it
                # shows in the policies' gradient alone; and the class token, always there, keeps the sum of weights positive.
                tokens = MixedTokens(tokens.x, start.weighted(policies[-1]))
            elif not self.training and stage is not None:
                kept, counts = self._how_many(stage, start, tokens.index)
                scores = self.score_predictor[stage](tokens)
                tokens = tokens.pruned(best_tokens(scores, tokens.index.active, kept), counts=counts)
            tokens = self._encode_block(i, tokens)
        if self.training and torch.is_grad_enabled():
            self._leave(self._ratio_loss(start, torch.stack(policies)), 'the score predictor')
        return (self._normed(tokens),)

    def _ratio_loss(self, start: TokenIndex, policies: Tensor) -> dict[str, Tensor]:
        """DynamicViT's equation 17 for policies (S, B, Nc + Nf), and the tokens that the last one keeps.

        Shares are of the tokens that there are, so the gate gains nothing here by making fewer.
        """
        shares = (policies * start.active).sum(dim=2) / start.counts
        rates = shares.new_tensor(self.keep_rates())
        held = shares if self.ratio_of == 'image' else shares.mean(dim=1, keepdim=True)
        loss = self.ratio_weight * (held - rates[:, None]).square().mean()
        return dict(loss_keep_ratio=loss, kept_tokens=(shares[-1] * start.counts).mean().detach())


class ScorePredictor(nn.Module):
    """Whether tokens go on: DynamicViT's predictor, from a token's own features and the mean of all (its equations 1-4).

    Args:
        embed_dim: of the tokens, even.
    """

    def __init__(self, embed_dim: int):
        super().__init__()
        half, quarter = embed_dim // 2, embed_dim // 4
        self.in_conv = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, embed_dim), nn.GELU())
        layers = nn.Linear(embed_dim, half), nn.GELU(), nn.Linear(half, quarter), nn.GELU(), nn.Linear(quarter, 2)
        self.out_conv = nn.Sequential(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, tokens: MixedTokens) -> Tensor:
        """Logits of going on, (B, Nc + Nf) float; of no meaning for candidates that are no tokens."""
        index = tokens.index
        local, shared = self.in_conv(tokens.tokens()).chunk(2, dim=-1)
        weight = index.candidate_weight()
        total = torch.einsum('bn,bnc->bc', weight.to(shared.dtype), index.memory.scatter(shared))
        mean = total / weight.sum(dim=1, keepdim=True).clamp(min=1)  # whole numbers; all may be dropped
        own = index.memory.select(mean.to(local.dtype).unsqueeze(1).expand(-1, weight.shape[1], -1))
        score = self.out_conv(torch.cat((local, own), dim=-1)).float()
        return index.memory.scatter(score[..., :1] - score[..., 1:]).squeeze(-1)


def _sample(logits: Tensor, before: Tensor | None = None) -> Tensor:
    """Hard decisions with the gradient of relaxed ones; what was dropped before stays dropped. (B, Nc + Nf)."""
    relaxed = sample_relaxed_bernoulli(logits, 1.0)  # softmax over two classes with Gumbel noise
    # relaxed - relaxed first, or rounding would leave weights of 6e-8
    policy = (relaxed - relaxed.detach()) + (relaxed > 0.5).to(relaxed.dtype)
    return policy if before is None else policy * before
