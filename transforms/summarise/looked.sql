-- The pairs of the few meters that get a second look, in the units of the moments. Each stream is cut down to these
-- meters before the two are joined: joining first, as the moments do, would build a table of all readings once more.

WITH few AS (
    SELECT meter_no, meter_device, flowmeter_device, valid_from, valid_to, per_lph, top_u
    FROM watched SEMI JOIN looked_at USING (meter_no)
),
of_meter AS (
    SELECT few.meter_no, s.ts, s.lph FROM meter_samples AS s JOIN few ON s.device_no = few.meter_device
    WHERE s.ts >= few.valid_from AND s.ts < few.valid_to
),
of_flowmeter AS (
    SELECT few.meter_no, s.ts, s.lph FROM flowmeter_samples AS s JOIN few ON s.device_no = few.flowmeter_device
),
pairs AS (
    SELECT m.meter_no, m.ts, f.lph AS q_lph, m.lph AS q_meter_lph
    FROM of_meter AS m JOIN of_flowmeter AS f ON m.meter_no = f.meter_no AND m.ts = f.ts
    UNION ALL
    SELECT meter_no, ts, q_lph, q_meter_lph FROM nearest_pairs SEMI JOIN looked_at USING (meter_no)
)
SELECT meter_no, epoch_us(ts) - {start_us} AS us, q_lph * per_lph AS x, q_meter_lph * per_lph AS y
FROM pairs JOIN few USING (meter_no)
WHERE abs(q_lph * per_lph) <= top_u AND abs(q_meter_lph * per_lph) <= top_u
ORDER BY meter_no, ts
