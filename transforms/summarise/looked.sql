-- The pairs of the few meters that get a second look, in the units of the moments.

SELECT meter_no, epoch_us(ts) - {start_us} AS us, q_lph * per_lph AS x, q_meter_lph * per_lph AS y
FROM paired SEMI JOIN looked_at USING (meter_no)
WHERE abs(q_lph * per_lph) <= top_u AND abs(q_meter_lph * per_lph) <= top_u
ORDER BY meter_no, ts
