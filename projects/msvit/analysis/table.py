"""Tables of figures."""

from typing import Any, cast

import pandas as pd

PERCENTILES = dict(min=0.0, p5=0.05, p25=0.25, median=0.5, p75=0.75, p95=0.95, max=1.0)


def spread(figures: pd.DataFrame) -> pd.DataFrame:
    """Summarise each column: mean, standard deviation of the values themselves, least, largest, and percentiles.

    Args:
        figures: numbers, at least one row.

    Returns:
        A row for each column: ``mean``, ``std`` and `PERCENTILES`.
    """
    percentiles = figures.quantile(list(PERCENTILES.values())).set_axis(list(PERCENTILES)).T
    return pd.concat([figures.mean().rename('mean'), figures.std(ddof=0).rename('std'), percentiles], axis=1)


def spread_of(values: pd.Series) -> dict[str, float]:
    """Summarise one column, see `spread`."""
    return cast('dict[str, float]', spread(values.to_frame()).iloc[0].to_dict())


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries for JSON, None where there is no figure."""
    return table.astype(object).where(table.notna(), None).to_dict('records')
