"""Where the time of MSSeg-S goes, part by part, against its dense twin on the same blocks and head.

python tools/benchmarks/parts.py
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from statistics import median

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile

from msvit.analysis.latency import interleaved_medians
from msvit.analysis.speed.models import mixed_segmenter
from msvit.analysis.speed.segmenter import SIZE, TOKENS
from msvit.cli.arguments import positive
from msvit.cli.output import say, show_rows

# What operators do; where GELU rides in a product of oneDNN it is counted there.
PARTS = {
    'matrix products': ('aten::addmm', 'aten::mm', 'aten::bmm', 'mkldnn::_linear_pointwise', 'aten::mkldnn_convolution'),
    'attention': ('aten::_scaled_dot_product_flash_attention_for_cpu',),
    'GELU': ('aten::gelu',),
    'layer norms': ('aten::native_layer_norm',),
    'sums': ('aten::add', 'aten::add_'),
    'copies': ('aten::copy_', 'aten::cat', 'aten::index', 'aten::index_select'),
}
OTHERS = 'all others'


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=positive, default=15, help='passes of each twin (default: %(default)s)')
    args = parser.parse_args()
    torch.manual_seed(0)
    images = torch.randn(1, 3, SIZE, SIZE)
    twins = dict(dense=mixed_segmenter(SIZE), mixed=mixed_segmenter(SIZE, TOKENS))
    runs = {name: lambda twin=twin: twin(images, mode='tensor') for name, twin in twins.items()}
    with torch.inference_mode():
        seconds = interleaved_medians(runs, args.rounds)
        parts = measure_parts(runs, args.rounds)
    show_rows(rows_of(parts), {'': '{part}', **{name: f'{{{name}}}' for name in ('dense, ms', 'mixed, ms', 'ratio', 'share')}})
    times = ' and '.join(f'{1000 * value:.0f}' for value in seconds.values())
    say(f'Without the profiler: {times} ms, {seconds["dense"] / seconds["mixed"]:.2f}x')


def measure_parts(runs: Mapping[str, Callable[[], object]], rounds: int) -> pd.DataFrame:
    """Profile each run, in turns.

    Returns:
        Median milliseconds, a row for each part and a column for each run.
    """
    part_of = {operator: part for part, operators in PARTS.items() for operator in operators}
    passes: dict[str, list[Counter[str]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                run()
            spent: Counter[str] = Counter()
            for event in profiler.key_averages():
                spent[part_of.get(event.key, OTHERS)] += event.self_cpu_time_total / 1000
            passes[name].append(spent)
    parts = [*PARTS, OTHERS]
    return pd.DataFrame({name: [median(one[part] for one in of) for part in parts] for name, of in passes.items()}, parts)


def rows_of(parts: pd.DataFrame) -> list[dict[str, str]]:
    """What `measure_parts` found of two twins, dense and mixed, as lines of a table."""
    whole = parts.sum()
    return [
        {
            'part': str(part),
            'dense, ms': f'{dense:.1f}',
            'mixed, ms': f'{mixed:.1f}',
            'ratio': f'{dense / mixed:.2f}x' if mixed else '',
            'share': f'{dense / whole.dense:.1%}, {mixed / whole.mixed:.1%}',
        }
        for part, (dense, mixed) in parts[['dense', 'mixed']].iterrows()
    ]


if __name__ == '__main__':
    main()
