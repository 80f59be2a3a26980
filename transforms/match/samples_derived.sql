-- Registers and instantaneous signals have no meaning alone: each needs the reading before it, which may lie in an
-- older dump, hence the look-back. A step counts only if it spans about one sampling interval of that device: a jump
-- after a gap is volume without a time, not flow. A register that falls back to less than half was reset or exchanged,
-- unless its width is known and what is left up to it makes a flow that the model can measure: then it began again at
-- zero. One that runs back a little says that water flowed backwards, which is a flow below zero. A step that no flow of
-- the model makes, either way, is an exchange or a fault.
--
-- The step of a register is the largest power of ten (10 to 1000 L) of which all its readings are multiples. Where one
-- such step in an interval is more than the model's resolution and than a small share of Q3, single differences say
-- nothing, and there are no flows.

CREATE OR REPLACE TEMP TABLE {view}_derived AS
WITH stepped AS (
    SELECT
        device_no,
        ts,
        instant.device_no IS NOT NULL AS is_instant,
        CASE WHEN is_instant THEN flow_lph ELSE volume_l END AS reading,
        lag(reading) OVER by_time AS before,
        epoch_us(ts) - epoch_us(lag(ts) OVER by_time) AS gap_us
    FROM {view}_read
    LEFT JOIN {view}_instant AS instant USING (device_no)
    WHERE CASE WHEN instant.device_no IS NOT NULL THEN flow_lph IS NOT NULL
               ELSE flow_lph IS NULL AND volume_l IS NOT NULL END
    WINDOW by_time AS (PARTITION BY device_no ORDER BY ts)
),
typical AS (
    SELECT
        device_no,
        quantile_disc(gap_us, 0.5) FILTER (gap_us > 0) AS interval_us,
        CASE WHEN any_value(is_instant) OR max(reading) = min(reading) THEN 0
             WHEN bool_and(reading % 1000 = 0) THEN 1000
             WHEN bool_and(reading % 100 = 0) THEN 100
             WHEN bool_and(reading % 10 = 0) THEN 10
             ELSE 0 END AS step_l
    FROM stepped GROUP BY device_no
),
advanced AS (
    SELECT
        stepped.*,
        interval_us,
        limit_lph,
        step_l * 3.6e9 / interval_us <= coalesce(coarse_lph, 'inf'::DOUBLE) AS fine_enough,
        reading < before / 2 AS fell,
        fell AND rollover_l IS NOT NULL AND before <= rollover_l AS began_again,
        reading - before + CASE WHEN began_again THEN rollover_l ELSE 0 END AS advance
    FROM stepped
    JOIN typical USING (device_no)
    LEFT JOIN {view}_registers USING (device_no)
)
SELECT
    device_no,
    ts,
    CASE WHEN is_instant THEN (reading + before) / 2.0 ELSE advance * 3.6e9 / gap_us END AS lph,
    interval_us
FROM advanced
WHERE ts >= TIMESTAMP '{start}'
  AND gap_us BETWEEN 0.5 * interval_us AND 1.5 * interval_us
  AND CASE WHEN is_instant THEN abs(reading - before) <= {settled} * greatest(reading, before)
           ELSE (began_again OR NOT fell) AND fine_enough
                AND abs(advance) * 3.6e9 / gap_us <= coalesce(limit_lph, 'inf'::DOUBLE) END;
