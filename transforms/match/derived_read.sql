-- Of the readings of a view, those that flows are derived from: registers, and signals that tell of an instant.
SELECT
    device_no,
    ts,
    instant.device_no IS NOT NULL AS is_instant,
    CASE WHEN instant.device_no IS NOT NULL THEN flow_lph WHEN flow_lph IS NULL THEN volume_l END AS reading
FROM {view}_read
LEFT JOIN {view}_instant AS instant USING (device_no)
WHERE reading IS NOT NULL
