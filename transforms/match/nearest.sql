-- For the few meters whose stamps differ from their reference's: the readings that found no partner at the very same
-- instant are paired with the nearest one of the other stream within half a sampling interval, each at most once.

CREATE OR REPLACE TEMP TABLE nearest_pairs AS
WITH meter_left AS (
    SELECT w.meter_no, w.half_us, s.ts, s.lph
    FROM ragged AS w JOIN meter_samples AS s ON s.device_no = w.meter_device
    WHERE s.ts >= w.valid_from AND s.ts < w.valid_to
      AND NOT EXISTS (
        SELECT 1 FROM flowmeter_samples AS r WHERE r.device_no = w.flowmeter_device AND r.ts = s.ts)
),
flowmeter_left AS (
    SELECT w.meter_no, s.ts, s.lph
    FROM ragged AS w JOIN flowmeter_samples AS s ON s.device_no = w.flowmeter_device
    WHERE s.ts >= w.valid_from AND s.ts < w.valid_to
      AND NOT EXISTS (
        SELECT 1 FROM meter_samples AS r WHERE r.device_no = w.meter_device AND r.ts = s.ts)
),
candidates AS (
    SELECT m.meter_no, m.ts AS meter_ts, f.ts AS flowmeter_ts, f.lph AS q_lph, m.lph AS q_meter_lph, m.half_us
    FROM meter_left AS m ASOF JOIN flowmeter_left AS f ON m.meter_no = f.meter_no AND m.ts >= f.ts
    UNION
    SELECT m.meter_no, m.ts, f.ts, f.lph, m.lph, m.half_us
    FROM meter_left AS m ASOF JOIN flowmeter_left AS f ON m.meter_no = f.meter_no AND m.ts <= f.ts
),
near AS (
    SELECT *, abs(epoch_us(meter_ts) - epoch_us(flowmeter_ts)) AS apart_us FROM candidates WHERE apart_us <= half_us
),
chosen AS (
    SELECT * FROM near
    QUALIFY row_number() OVER (PARTITION BY meter_no, meter_ts ORDER BY apart_us, flowmeter_ts) = 1
)
SELECT meter_no, meter_ts AS ts, q_lph, q_meter_lph FROM chosen
QUALIFY row_number() OVER (PARTITION BY meter_no, flowmeter_ts ORDER BY apart_us, meter_ts) = 1;
