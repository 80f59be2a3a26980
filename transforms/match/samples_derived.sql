-- The flows of registers and of instantaneous signals, by the rules of register_rules.sql. An instantaneous signal has an
-- interval's mean only where the two ends agree.

CREATE OR REPLACE TEMP TABLE {view}_derived AS
{rules}
SELECT
    device_no,
    ts,
    CASE WHEN is_instant THEN (reading + before) / 2.0 ELSE advance * 3.6e9 / gap_us END AS lph,
    interval_us
FROM ruled
WHERE NOT hurried
  AND NOT gap
  AND CASE WHEN is_instant THEN abs(reading - before) <= {settled} * greatest(reading, before)
           ELSE (began_again OR NOT fell) AND NOT coarse AND NOT absurd END;
