"""Numbers and time spans as people say them. Needs no torch."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal


def duration(seconds: float) -> str:
    """A time span as people say it: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def memory_size(n_bytes: int) -> str:
    """An amount of memory as people say it: 812 MB, 1.5 GB."""
    return f"{n_bytes / 2**30:,.1f} GB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.0f} MB"


_LONGEST_ABBREVIATION = 3
LARGE = 1e9  # from here on a number is written by its powers of ten: 1.5e22


def metric_title(name: str) -> str:
    """A metric's name as people see it: FID, accuracy."""
    return name.upper() if len(name) <= _LONGEST_ABBREVIATION else name.replace("_", " ")


def figure(value: float) -> str:
    """A number as a run shows it while it trains: to three decimals, a large one as 1.5e22."""
    return f"{value:z.3f}" if abs(value) < 1e6 else _short(value)


def _short(value: float) -> str:
    return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def number(value: float, digits: int = 3) -> str:
    """A number to so many digits, from a thousand on a whole one, a large one by powers: 0.0457, 45,312, 1.5e22."""
    if abs(value) >= LARGE:
        return _short(value).replace("-", "−")
    exact = Decimal(repr(float(value)))  # rounded half up, as the pages' script does
    if abs(value) >= 1000:
        text = f"{exact.to_integral_value(ROUND_HALF_UP):,f}"
    else:
        text = f"{Context(prec=digits, rounding=ROUND_HALF_UP).plus(exact).normalize():,f}"
    return text.replace("-", "−")


def typed(value: object) -> str:
    """A setting's value as `--set` takes it: lists with commas, none, true, false."""
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
