-- The pairs of a bucket: meter_no, instant, reference flow q and meter flow q'.

CREATE OR REPLACE TEMP VIEW paired AS
SELECT w.meter_no, m.ts, f.lph AS q_lph, m.lph AS q_meter_lph
FROM watched AS w
JOIN flowmeter_samples AS f ON f.device_no = w.flowmeter_device
JOIN meter_samples AS m ON m.device_no = w.meter_device AND m.ts = f.ts
WHERE {validity}
UNION ALL
SELECT meter_no, ts, q_lph, q_meter_lph FROM nearest_pairs;
