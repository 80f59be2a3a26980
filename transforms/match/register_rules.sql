-- The rules by which registers and instantaneous signals become flows, stated once: samples_derived.sql carries them out,
-- register_findings.sql counts what they find. This is the beginning of a statement that goes on from `ruled`.
--
-- Neither has a meaning alone: each reading needs the one before it, which may lie in an older dump, hence the look-back. A
-- step counts only if it spans about one sampling interval of that device: a jump after a gap is volume without a time, not
-- flow. A register that falls back to less than half was reset or exchanged, unless its width is known and what is left up
-- to it makes a flow that the model can measure: then it began again at zero. One that runs back a little says that water
-- flowed backwards, which is a flow below zero. A step that no flow of the model makes, either way, is an exchange or a
-- fault.
--
-- The step of a register is the largest power of ten (10 to 1000 L) of which all its readings are multiples. Where one
-- such step in an interval is more than the model's resolution and than a small share of Q3, single differences say
-- nothing, and there are no flows.

WITH stepped AS (
    SELECT
        device_no,
        ts,
        is_instant,
        reading,
        lag(reading) OVER by_time AS before,
        epoch_us(ts) - epoch_us(lag(ts) OVER by_time) AS gap_us
    FROM ({readings}) AS readings
    WINDOW by_time AS (PARTITION BY device_no ORDER BY ts)
),
typical AS (
    SELECT
        device_no,
        count(*) AS n,
        quantile_disc(gap_us, 0.5) FILTER (gap_us > 0) AS interval_us,
        max(reading) = min(reading) AS still,
        CASE WHEN any_value(is_instant) OR still THEN 0
             WHEN bool_and(reading % 1000 = 0) THEN 1000
             WHEN bool_and(reading % 100 = 0) THEN 100
             WHEN bool_and(reading % 10 = 0) THEN 10
             ELSE 0 END AS step_l
    FROM stepped GROUP BY device_no
),
ruled AS (
    SELECT
        stepped.*,
        n,
        still,
        step_l,
        interval_us,
        gap_us < 0.5 * interval_us AS hurried,
        gap_us > 1.5 * interval_us AS gap,
        step_l * 3.6e9 / interval_us > coalesce(coarse_lph, 'inf'::DOUBLE) AS coarse,
        reading < before / 2 AS fell,
        fell AND rollover_l IS NOT NULL AND before <= rollover_l AS began_again,
        reading - before + CASE WHEN began_again THEN rollover_l ELSE 0 END AS advance,
        abs(advance) * 3.6e9 / gap_us > coalesce(limit_lph, 'inf'::DOUBLE) AS absurd
    FROM stepped
    JOIN typical USING (device_no)
    LEFT JOIN {registers} USING (device_no)
    WHERE ts >= TIMESTAMP '{start}'
)
