"""tools/benchmarks/parts.py: where time goes."""

import runpy
from pathlib import Path

import torch
from torch.nn.functional import gelu, scaled_dot_product_attention

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'benchmarks' / 'parts.py'))


def test_operators_are_counted_where_they_belong():
    weight, x = torch.ones(64, 64), torch.ones(1, 2, 96, 64)
    runs = dict(
        dense=lambda: gelu(torch.addmm(weight, weight, weight)),
        mixed=lambda: scaled_dot_product_attention(x, x, x),
    )
    parts = SCRIPT['measure_parts'](runs, rounds=2)
    spent = {name: set(parts.index[parts[name] > 0]) - {'all others'} for name in runs}
    assert {'matrix products', 'GELU'} <= spent['dense'] and 'attention' not in spent['dense']
    assert 'attention' in spent['mixed'] and not {'matrix products', 'GELU'} & spent['mixed']
    rows = SCRIPT['rows_of'](parts)
    for twin in (0, 1):
        shares = [float(row['share'].split(', ')[twin].rstrip('%')) for row in rows]
        assert abs(sum(shares) - 100) < 1
