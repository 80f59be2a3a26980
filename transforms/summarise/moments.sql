-- Moments: the additive sums of everything the judgement needs, per meter, part of the window and flow bin, taken in
-- the statement that joins the two streams. Flows enter as whole millionths of the model's Q3, so every sum is an
-- exact integer: the same whatever the threads, the order of the rows or the cut of the dumps.

WITH scaled AS (
    SELECT
        meter_no,
        (epoch_us(ts) - {start_us}) // {part_us} AS part,
        CAST(q_lph * per_lph AS BIGINT) AS x,
        CAST(q_meter_lph * per_lph AS BIGINT) AS y,
        q1_u, q2_u, q3_u, top_u, band_low_u, band_high_u
    FROM paired
)
SELECT
    meter_no,
    CAST(part AS TINYINT) AS part,
    CAST(CASE
        WHEN x < q1_u THEN 0
        WHEN x < q2_u THEN 1
        WHEN x < 31623 THEN 2
        WHEN x < 100000 THEN 3
        WHEN x < 316228 THEN 4
        WHEN x < q3_u THEN 5
        ELSE 6 END AS TINYINT) AS bin,
    count(*) AS n,
    CAST(sum(x) AS BIGINT) AS sx,
    CAST(sum(y) AS BIGINT) AS sy,
    CAST(sum(x * x) AS BIGINT) AS sxx,
    CAST(sum(x * y) AS BIGINT) AS sxy,
    CAST(sum(y * y) AS BIGINT) AS syy,
    min(x) AS x_min,
    max(x) AS x_max,
    min(y) AS y_min,
    max(y) AS y_max,
    count(*) FILTER (y > x) AS n_above,
    count(*) FILTER (y < x) AS n_below,
    count(*) FILTER (y - x BETWEEN band_low_u AND band_high_u) AS n_band_above,
    count(*) FILTER (x - y BETWEEN band_low_u AND band_high_u) AS n_band_below
FROM scaled
WHERE x BETWEEN -top_u AND top_u AND y BETWEEN -top_u AND top_u
GROUP BY ALL
