"""Spare parts from peers' experience, on real monthly sales: the stock that lasts a delivery time of three months."""

import csv
import gzip
from pathlib import Path

import numpy as np

from actors.community.intermittent import StockRules, order_up_to
from actors.community.lives import FloatArray
from hub.demo.cmapss import UnreadableData

ORIGINS = (36, 39, 42, 45)
"""Months at which stock is ordered, knowing only what came before."""


def measure(path: Path) -> dict[str, float | str]:
    """Return pinball loss at 95 %, fill rate and mean stock over the origins. Raises: UnreadableData."""
    demand, rules = read_sales(path), StockRules()
    if demand.shape[1] < ORIGINS[-1] + rules.lead_months:
        raise UnreadableData(f"{path}: {ORIGINS[-1] + rules.lead_months} months expected, got {demand.shape[1]}")
    stock = np.stack([order_up_to(demand[:, :origin], rules) for origin in ORIGINS])
    asked = np.stack([demand[:, origin : origin + rules.lead_months].sum(axis=1) for origin in ORIGINS])
    short, over = np.maximum(asked - stock, 0), np.maximum(stock - asked, 0)
    return {
        "set": "carparts",
        "parts": float(len(demand)),
        "pinball95": round(float((rules.quantile * short + (1 - rules.quantile) * over).mean()), 4),
        "fill": round(float(1 - short.sum() / asked.sum()), 4),
        "mean_stock": round(float(stock.mean()), 4),
    }


def read_sales(path: Path) -> FloatArray:
    """Return parts x months of the parts whose every month is known. Raises: UnreadableData."""
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            rows = list(csv.reader(lines))[1:]
        months = np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])
    except (OSError, ValueError) as error:
        raise UnreadableData(f"{path}: a month and pieces of each part a row expected: {error}") from error
    if months.ndim != 2 or not months.size:
        raise UnreadableData(f"{path}: a month and pieces of each part a row expected, got {len(rows)} rows")
    return np.asarray(months.T[~np.isnan(months).any(axis=0)], dtype=np.float64)
