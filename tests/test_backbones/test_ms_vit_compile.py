"""Compiled blocks: equal features, and one compilation for all token counts."""

import pytest
import torch

FIRST, OTHERS = [1, 2], [0, 3, 4]  # fine regions
TOLERANCES = {'cpu': 1e-5, 'cuda': 1e-4}  # fused kernels round otherwise
BACKENDS = {'cpu': 'aot_eager', 'cuda': 'inductor'}  # inductor takes a minute on a CPU


def masks(batch: int, fine: int) -> torch.Tensor:
    """Each image one fine region more than the one before."""
    counts = torch.arange(batch) + fine
    return (torch.arange(9) < counts[:, None]).reshape(batch, 3, 3)


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('layout', ['masked', 'trimmed', 'packed'])
def test_no_token_count_compiles_anew(batch, layout, device, tiny_msvit, fail_on_recompile, assert_relative):
    torch.compiler.reset()
    net = tiny_msvit(img_size=48, layout=layout).to(device)
    images = torch.randn(batch, 3, 48, 48, device=device)
    with torch.no_grad():
        expected = {fine: net(images, fine_mask=masks(batch, fine))[0] for fine in FIRST + OTHERS}
        net.compile_blocks(backend=BACKENDS[device])
        for fine in FIRST:
            net(images, fine_mask=masks(batch, fine))
        with fail_on_recompile():
            for fine in OTHERS:
                assert_relative(net(images, fine_mask=masks(batch, fine))[0], expected[fine], TOLERANCES[device])


def test_compiled_blocks_train(device, tiny_msvit, assert_relative):
    torch.compiler.reset()
    net = tiny_msvit(img_size=48, gate=dict(type='msvit.MLPGate')).train().to(device)
    images = torch.randn(2, 3, 48, 48, device=device)

    def gradients() -> torch.Tensor:
        net.zero_grad()
        torch.manual_seed(0)
        net(images)[0].square().mean().backward()
        net.pop_gate_losses()
        return torch.cat([parameter.grad.flatten() for parameter in net.parameters() if parameter.grad is not None])

    expected = gradients()
    net.compile_blocks(backend=BACKENDS[device])
    assert_relative(gradients(), expected, TOLERANCES[device])
