-- What stands in registers that gives no flow, or a flow to look at twice, by the rules of register_rules.sql.

{rules},
asked AS (
    SELECT
        *,
        -- full nines before it and little after: the register's width is likely the power of ten above
        10 ** ceil(log10(greatest(before, 1))) AS width_l,
        fell AND before >= {full} * width_l AND reading <= {empty} * width_l AND before > {least} AS like_rollover
    FROM ruled
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
