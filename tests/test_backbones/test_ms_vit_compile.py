"""Compiled blocks: equal features, and one compilation for all token counts."""

import pytest
import torch

FIRST, OTHERS = [1, 2], [0, 3, 4]  # fine regions


def masks(batch: int, fine: int) -> torch.Tensor:
    """Each image one fine region more than the one before."""
    counts = torch.arange(batch) + fine
    return (torch.arange(9) < counts[:, None]).reshape(batch, 3, 3)


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('layout', ['masked', 'trimmed', 'packed'])
def test_no_token_count_compiles_anew(batch, layout, tiny_msvit, fail_on_recompile, assert_relative):
    torch.compiler.reset()
    net, images = tiny_msvit(img_size=48, layout=layout), torch.randn(batch, 3, 48, 48)
    with torch.no_grad():
        expected = {fine: net(images, fine_mask=masks(batch, fine))[0] for fine in FIRST + OTHERS}
        net.compile_blocks(backend='aot_eager')
        for fine in FIRST:
            net(images, fine_mask=masks(batch, fine))
        with fail_on_recompile():
            for fine in OTHERS:
                assert_relative(net(images, fine_mask=masks(batch, fine))[0], expected[fine])


def test_compiled_blocks_train(tiny_msvit, assert_relative):
    torch.compiler.reset()
    net, images = tiny_msvit(img_size=48, gate=dict(type='msvit.MLPGate')).train(), torch.randn(2, 3, 48, 48)

    def gradients() -> torch.Tensor:
        net.zero_grad()
        torch.manual_seed(0)
        net(images)[0].square().mean().backward()
        net.pop_gate_losses()
        return torch.cat([parameter.grad.flatten() for parameter in net.parameters() if parameter.grad is not None])

    expected = gradients()
    net.compile_blocks(backend='aot_eager')
    assert_relative(gradients(), expected)
