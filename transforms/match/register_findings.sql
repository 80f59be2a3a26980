-- What stands in registers that gives no flow, or a flow to look at twice: the same questions as in samples_derived.sql,
-- counted instead of carried out.

WITH stepped AS (
    SELECT
        device_no,
        ts,
        volume_l,
        lag(volume_l) OVER by_time AS before,
        epoch_us(ts) - epoch_us(lag(ts) OVER by_time) AS gap_us
    FROM ({readings}) AS readings
    WHERE flow_lph IS NULL AND volume_l IS NOT NULL
    WINDOW by_time AS (PARTITION BY device_no ORDER BY ts)
),
typical AS (
    SELECT
        device_no,
        count(*) AS n,
        quantile_disc(gap_us, 0.5) FILTER (gap_us > 0) AS interval_us,
        max(volume_l) = min(volume_l) AS still,
        CASE WHEN still THEN 0
             WHEN bool_and(volume_l % 1000 = 0) THEN 1000
             WHEN bool_and(volume_l % 100 = 0) THEN 100
             WHEN bool_and(volume_l % 10 = 0) THEN 10
             ELSE 0 END AS step_l
    FROM stepped GROUP BY device_no
),
asked AS (
    SELECT
        device_no,
        n,
        still,
        step_l,
        step_l * 3.6e9 / interval_us > coalesce(coarse_lph, 'inf'::DOUBLE) AS coarse,
        volume_l - before AS advance,
        before,
        gap_us > 1.5 * interval_us AS gap,
        volume_l < before / 2 AS fell,
        fell AND rollover_l IS NOT NULL AND before <= rollover_l AS began_again,
        abs(advance + CASE WHEN began_again THEN rollover_l ELSE 0 END) * 3.6e9 / gap_us
            > coalesce(limit_lph, 'inf'::DOUBLE) AS absurd,
        -- full nines before it and little after: the register's width is likely the power of ten above
        10 ** ceil(log10(greatest(before, 1))) AS width_l,
        fell AND before >= 0.9 * width_l AND volume_l <= 0.1 * width_l AND before > 1000 AS like_rollover
    FROM stepped
    JOIN typical USING (device_no)
    LEFT JOIN finding_registers USING (device_no)
    WHERE ts >= TIMESTAMP '{start}'
),
counted AS (
    SELECT
        device_no,
        any_value(coarse) AS is_coarse,
        any_value(still) AND any_value(n) > 1 AS is_still,
        any_value(step_l)::DOUBLE AS step_l,
        any_value(n) AS n,
        count(*) FILTER (began_again AND NOT absurd AND NOT gap) AS n_rollover,
        count(*) FILTER (fell AND NOT began_again AND like_rollover) AS n_width,
        max(width_l) FILTER (fell AND NOT began_again AND like_rollover) AS width_l,
        count(*) FILTER (fell AND NOT (began_again AND NOT absurd) AND NOT (like_rollover AND NOT began_again)) AS n_reset,
        max(before) FILTER (fell AND NOT (began_again AND NOT absurd) AND NOT (like_rollover AND NOT began_again)) AS reset_l,
        count(*) FILTER (advance < 0 AND NOT fell AND NOT absurd) AS n_back,
        sum(-advance) FILTER (advance < 0 AND NOT fell AND NOT absurd) AS back_l,
        count(*) FILTER (gap AND NOT fell AND advance > 0) AS n_gap,
        sum(advance) FILTER (gap AND NOT fell AND advance > 0) AS gap_l,
        count(*) FILTER (absurd AND NOT fell AND NOT gap) AS n_absurd,
        max(abs(advance)) FILTER (absurd AND NOT fell AND NOT gap) AS absurd_l
    FROM asked GROUP BY device_no
)
SELECT device_no, finding, many, litres FROM (
    SELECT device_no, 'register_coarse' AS finding, n AS many, step_l AS litres FROM counted WHERE is_coarse
    UNION ALL SELECT device_no, 'register_frozen', n, 0 FROM counted WHERE is_still
    UNION ALL SELECT device_no, 'register_rollover', n_rollover, NULL FROM counted WHERE n_rollover > 0
    UNION ALL SELECT device_no, 'register_width_unknown', n_width, width_l FROM counted WHERE n_width > 0
    UNION ALL SELECT device_no, 'register_reset', n_reset, reset_l FROM counted WHERE n_reset > 0
    UNION ALL SELECT device_no, 'register_backwards', n_back, back_l FROM counted WHERE n_back > 0
    UNION ALL SELECT device_no, 'register_gap', n_gap, gap_l FROM counted WHERE n_gap > 0
    UNION ALL SELECT device_no, 'register_jump', n_absurd, absurd_l FROM counted WHERE n_absurd > 0
);
