-- Registers and instantaneous signals have no meaning alone: each needs the reading before it, which may lie in an
-- older dump, hence the look-back. A step counts only if it spans about one sampling interval of that device: a jump
-- after a gap is volume without a time, not flow. A register that falls back to less than half was reset or exchanged;
-- one that runs back a little says that water flowed backwards, which is a flow below zero.

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
    SELECT device_no, quantile_disc(gap_us, 0.5) AS interval_us FROM stepped WHERE gap_us > 0 GROUP BY device_no
)
SELECT
    device_no,
    ts,
    CASE WHEN is_instant THEN (reading + before) / 2.0 ELSE (reading - before) * 3.6e9 / gap_us END AS lph,
    interval_us
FROM stepped JOIN typical USING (device_no)
WHERE ts >= TIMESTAMP '{start}'
  AND gap_us BETWEEN 0.5 * interval_us AND 1.5 * interval_us
  AND CASE WHEN is_instant THEN abs(reading - before) <= {settled} * greatest(reading, before)
           ELSE reading >= before / 2 END;
