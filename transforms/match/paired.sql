-- The pairs of a bucket: instant, reference flow q and meter flow q', beside what `watched` knows of the meter.

CREATE OR REPLACE TEMP VIEW paired AS
SELECT w.*, m.ts, f.lph AS q_lph, m.lph AS q_meter_lph
FROM watched AS w
JOIN flowmeter_samples AS f ON f.device_no = w.flowmeter_device
JOIN meter_samples AS m ON m.device_no = w.meter_device AND m.ts = f.ts
WHERE {validity}
UNION ALL
SELECT w.*, n.ts, n.q_lph, n.q_meter_lph FROM nearest_pairs AS n JOIN watched AS w USING (meter_no);
