-- For the meters whose stamps differ from their reference's: the readings that found no partner at the very same
-- instant are paired with the nearest one of the other stream within half a sampling interval, each at most once.
--
-- The readings on either side are found by windows over both streams in order of time. An ASOF join says the same, but
-- takes time quadratic in the number of meters here.

CREATE OR REPLACE TEMP TABLE nearest_pairs AS
WITH meter_mine AS (
    SELECT w.meter_no, w.half_us, s.ts, s.lph
    FROM ragged AS w JOIN meter_samples AS s ON s.device_no = w.meter_device
    WHERE s.ts >= w.valid_from AND s.ts < w.valid_to
),
flowmeter_mine AS (
    SELECT w.meter_no, s.ts, s.lph
    FROM ragged AS w JOIN flowmeter_samples AS s ON s.device_no = w.flowmeter_device
    WHERE s.ts >= w.valid_from AND s.ts < w.valid_to
),
flowmeter_left AS (SELECT * FROM flowmeter_mine ANTI JOIN meter_mine USING (meter_no, ts)),
in_order AS (
    SELECT meter_no, ts, lph, half_us, true AS is_meter FROM meter_mine ANTI JOIN flowmeter_mine USING (meter_no, ts)
    UNION ALL
    SELECT meter_no, ts, NULL, NULL, false FROM flowmeter_left
),
beside AS (
    SELECT *,
        max(ts) FILTER (NOT is_meter) OVER (PARTITION BY meter_no ORDER BY ts ROWS UNBOUNDED PRECEDING) AS before,
        min(ts) FILTER (NOT is_meter) OVER (PARTITION BY meter_no ORDER BY ts
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS after
    FROM in_order
),
near AS (
    SELECT meter_no, ts AS meter_ts, unnest([before, after]) AS flowmeter_ts, lph AS q_meter_lph, half_us
    FROM beside WHERE is_meter
),
chosen AS (
    SELECT *, abs(epoch_us(meter_ts) - epoch_us(flowmeter_ts)) AS apart_us FROM near
    WHERE apart_us <= half_us
    QUALIFY row_number() OVER (PARTITION BY meter_no, meter_ts ORDER BY apart_us, flowmeter_ts) = 1
)
SELECT c.meter_no, c.meter_ts AS ts, f.lph AS q_lph, c.q_meter_lph
FROM chosen AS c JOIN flowmeter_left AS f ON f.meter_no = c.meter_no AND f.ts = c.flowmeter_ts
QUALIFY row_number() OVER (PARTITION BY c.meter_no, c.flowmeter_ts ORDER BY c.apart_us, c.meter_ts) = 1;
