"""Pool: what a window leaves open is asked of it together with the windows before it, by adding up their sums."""

from transforms.pool.gather import Earlier
from transforms.pool.judge import judge_pooled
from transforms.pool.merge import as_decided, overruled, with_columns_of

__all__ = ["Earlier", "as_decided", "judge_pooled", "overruled", "with_columns_of"]
